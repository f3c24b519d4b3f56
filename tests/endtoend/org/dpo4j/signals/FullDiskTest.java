package org.dpo4j.signals;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A small disk: the test mounts a tmpfs over output_dir in a user namespace. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class FullDiskTest {
    @TempDir
    private Path directory;

    private Path output;

    @BeforeEach
    void makeInput() throws IOException, InterruptedException {
        assumeTrue(
                new ProcessBuilder("unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", directory.toString())
                                .start()
                                .waitFor()
                        == 0,
                "skipped: this machine lets no user mount a tmpfs (unshare -rm)");
        DpoProcess.makeInput(directory);
        output = Files.createDirectory(directory.resolve("out"));
    }

    /**
     * The weights are 2000 x 32 and two layers of 7,744 f32: 318 kB. 20,000 lines of metrics are 2 kB each at most. The
     * disk has 20.7 MB.
     */
    @Test
    void aDiskThatIsTooSmallIsRefusedBeforeTheFirstStep() throws IOException, InterruptedException {
        List<String> out = run("20200k", "\"$@\"; echo code $?; ls -A $0", "--save_strategy=no");
        assertThat(out).contains("code 1").noneMatch(line -> line.startsWith("step 1 "));
        assertThat(err())
                .contains("output_dir " + output + " needs ", "(model 3", "free space, or choose")
                .containsPattern("but 20\\.\\d MB of its disk are free")
                .hasLineCount(1);
    }

    /**
     * Another program fills the disk while the run trains. The space of the model was reserved before the first step, so
     * only lines of metrics are lost.
     */
    @Test
    void aDiskThatFillsUpLosesOnlyMetrics() throws IOException, InterruptedException {
        List<String> out = run("46m", """
                echo old > $0/model.safetensors
                "$@" --overwrite_output_dir > $0/out.txt &
                while kill -0 $! && ! grep -q . $0/metrics.jsonl; do sleep 0.1; done 2> /dev/null
                cat /dev/zero > $0/filler 2> /dev/null
                while kill -0 $! && ! grep -q 'cannot be written' $0/../err.txt; do sleep 0.05; done 2> /dev/null
                kill -TERM $!
                wait $!
                echo code $?
                stat -c %s $0/model.safetensors
                ls -A $0
                """, "--save_strategy=no"); // 40 checkpoints do not fit
        assertThat(out)
                .contains("code 143", Long.toString(Files.size(directory.resolve("model/model.safetensors"))))
                .contains("config.json")
                .doesNotContain(".writing", ".lock");
        assertThat(err())
                .containsPattern("metrics.jsonl cannot be written \\(No space left on device\\); training goes on")
                .containsPattern("saved the weights of step \\d+ in " + output)
                .doesNotContain("are lost");
    }

    /** The disk fills up after the first checkpoint. It stays whole, and the model is saved in the space reserved for it. */
    @Test
    void aCheckpointThatDoesNotFitLeavesTheOneBeforeItWhole() throws IOException, InterruptedException {
        List<String> out = run("48m", """
                "$@" > $0/out.txt &
                while kill -0 $! && ! ls $0/checkpoint-*; do sleep 0.1; done > /dev/null 2> /dev/null
                cat /dev/zero > $0/filler 2> /dev/null
                wait $!
                echo code $?
                cd $0/checkpoint-* || exit
                stated=$(sed -n 's/.*"sha256": "\\(.*\\)".*/\\1/p' manifest.json | sort)
                [ "$stated" = "$(sha256sum config.json model.safetensors optimizer.safetensors trainer_state.json |
                    cut -d' ' -f1 | sort)" ] && echo whole
                stat -c %s $0/model.safetensors
                ls -A $0
                """, "--save_steps=100", "--save_total_limit=1");
        assertThat(out)
                .contains("code 1", "whole")
                .contains(Long.toString(Files.size(directory.resolve("model/model.safetensors"))))
                .doesNotContain(".writing", ".lock", ".checkpoint.writing");
        assertThat(err())
                .containsPattern("saved the weights of step \\d+ in " + output)
                .containsPattern(
                        "error: " + output + "/checkpoint-\\d+ cannot be written \\(No space left on device\\); go on"
                                + " from the one before it with resume_from_checkpoint " + output
                                + "/checkpoint-\\d+; free space, or"
                                + " set on_failed_checkpoint continue");
    }

    /**
     * Runs a script with $0 = output_dir on a disk of this size and "$@" = the command. Returns its standard output.
     */
    private List<String> run(String size, String script, String... options) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                "unshare",
                "-rm",
                "sh",
                "-c",
                "mount -t tmpfs -o size=" + size + " tmpfs $0\n" + script,
                output.toString()));
        command.addAll(DpoProcess.command(directory, "out"));
        command.addAll(List.of(options));
        Path printed = directory.resolve("printed.txt");
        Process process = new ProcessBuilder(command)
                .redirectError(directory.resolve("err.txt").toFile())
                .redirectOutput(printed.toFile())
                .start();
        try {
            process.waitFor();
        } finally {
            process.descendants().forEach(ProcessHandle::destroyForcibly); // if this test timed out
            process.destroyForcibly();
        }
        return Files.readAllLines(printed);
    }

    private String err() throws IOException {
        return Files.readString(directory.resolve("err.txt"));
    }
}
