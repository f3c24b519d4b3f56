package org.dpo4j.signals;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dpo4j.model.TestFiles;
import org.dpo4j.train.DpoTrainer;
import org.dpo4j.train.checkpoint.CheckpointDirectory;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Signals that end a run. Expected weights are those of a run of as many steps. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class StopSignalsTest {
    private static final Pattern SAVED = Pattern.compile("dpo4j: saved the weights of step (\\d+) in (\\S+)");

    @TempDir
    private Path directory;

    @BeforeEach
    void makeInput() throws IOException {
        DpoProcess.makeInput(directory);
    }

    /** Exit codes are the shell's, 128 and the number of the signal. For TERM, a test below. */
    @ParameterizedTest
    @CsvSource({"INT, 130", "HUP, 129"})
    void theWeightsOfTheLastStepAreSaved(String signal, int exitCode) throws IOException, InterruptedException {
        try (DpoProcess run = DpoProcess.start(directory, "out")) {
            run.awaitLine("step 3 ");
            run.signal(signal);
            assertThat(run.await()).as(run.err()).isEqualTo(exitCode);
            Matcher saved = SAVED.matcher(run.err());
            assertThat(saved.find()).as(run.err()).isTrue();
            assertThat(saved.group(2)).isEqualTo(directory.resolve("out").toString());
            int step = Integer.parseInt(saved.group(1));
            assertThat(step).isGreaterThanOrEqualTo(3);
            DpoTrainer.train(DpoProcess.options(directory, "expected", step), metrics -> {});
            assertThat(directory.resolve("out/model.safetensors"))
                    .hasSameBinaryContentAs(directory.resolve("expected/model.safetensors"));
            assertThat(directory.resolve("out/config.json"))
                    .hasSameBinaryContentAs(directory.resolve("expected/config.json"));
            assertThat(directory.resolve("out")).isDirectoryNotContaining("glob:**/.*");
        }
    }

    /** A run whose output pipe is full blocks, so after the first signal its next step never comes. */
    @Test
    void aSecondSignalEndsTheProcessAtOnce() throws IOException, InterruptedException {
        try (DpoProcess run = DpoProcess.start(directory, "out")) {
            run.awaitFullPipe();
            run.signal("INT");
            Thread.sleep(100);
            run.signal("INT");
            assertThat(run.awaitUnread()).as(run.err()).isEqualTo(130);
            assertThat(directory.resolve("out/model.safetensors")).doesNotExist();
            assertThat(directory.resolve("out")).isDirectoryNotContaining("glob:**/.*");
        }
    }

    /** A checkpoint is being written nearly all the time. The second signal comes at once, or not at all. */
    @ParameterizedTest
    @CsvSource({"1, TERM, 143", "2, INT, 130"})
    void aSignalWhileCheckpointsAreWrittenLeavesWholeOnes(int signals, String signal, int exitCode)
            throws IOException, InterruptedException {
        List<String> command = DpoProcess.command(directory, "out");
        command.addAll(0, List.of("env", "--default-signal=INT,TERM,HUP"));
        command.addAll(List.of("--save_steps=1", "--save_total_limit=2"));
        Path output = directory.resolve("out");
        try (DpoProcess run = DpoProcess.start(directory, command)) {
            run.awaitLine("step 3 ");
            for (int i = 0; i < signals; i++) {
                run.signal(signal);
            }
            assertThat(run.await()).as(run.err()).isEqualTo(exitCode);
            List<CheckpointDirectory> checkpoints = CheckpointDirectory.list(output);
            assertThat(checkpoints)
                    .isNotEmpty()
                    .allSatisfy(checkpoint -> assertThat(checkpoint.fault()).isNull());
            assertThat(output).isDirectoryNotContaining("glob:**/.*");
            if (signals == 1) {
                int newest = checkpoints.get(checkpoints.size() - 1).step();
                assertThat(run.err())
                        .contains("wrote a checkpoint of step " + newest, "saved the weights of step " + newest);
            }
        }
    }

    /** The run waits for rows that nobody writes into its pipe. */
    @Test
    void beforeTheFirstStepThereIsNothingToSave() throws IOException, InterruptedException {
        Path pipe = directory.resolve("pairs.jsonl");
        Files.delete(pipe);
        TestFiles.pipe(pipe);
        try (DpoProcess run = DpoProcess.start(directory, "out");
                OutputStream rows = Files.newOutputStream(pipe)) { // once the run has opened it
            run.signal("TERM");
            assertThat(run.await()).as(run.err()).isEqualTo(143);
            assertThat(run.err())
                    .isEqualTo("dpo4j: SIGTERM: no step was trained: nothing is saved" + System.lineSeparator());
            assertThat(directory.resolve("out")).isEmptyDirectory();
        }
    }

    /**
     * The signal comes during the first step, which has many micro-batches, and the run ends at the next micro-batch. The
     * handler of the signal and the run must not both report it.
     */
    @ParameterizedTest
    @ValueSource(strings = {"INT", "HUP"})
    void theEndIsReportedOnce(String signal) throws IOException, InterruptedException {
        Path pairs = directory.resolve("pairs.jsonl");
        String rows = Files.readString(pairs);
        Files.writeString(pairs, rows.repeat(100));
        List<String> command = DpoProcess.command(directory, "out");
        command.addAll(0, List.of("env", "--default-signal=INT,TERM,HUP"));
        command.remove("--max_steps=20000");
        command.addAll(List.of(
                "--max_steps=1",
                "--reference_free",
                "--per_device_train_batch_size=1",
                "--gradient_accumulation_steps=1600"));
        try (DpoProcess run = DpoProcess.start(directory, command)) {
            run.awaitLine("disk "); // of the header; the first step follows it
            run.signal(signal);
            run.await();
            assertThat(run.err().lines())
                    .containsExactly("dpo4j: SIG" + signal + ": no step was trained: nothing is saved");
            assertThat(directory.resolve("out")).isEmptyDirectory();
        }
    }

    @Test
    void aSecondRunInTheDirectoryIsRefusedUntilTheFirstIsGone() throws IOException, InterruptedException {
        try (DpoProcess run = DpoProcess.start(directory, "out")) {
            run.awaitLine("step 1 ");
            assertRefused(
                    () -> DpoTrainer.train(DpoProcess.options(directory, "out", 1), metrics -> {}),
                    "output_dir",
                    "in use by another run",
                    "process " + run.pid());
            run.signal("KILL");
            assertThat(run.await()).isEqualTo(128 + 9);
        }
        Files.createDirectories(directory.resolve("out/.writing/deeper"));
        Files.writeString(directory.resolve("out/.writing/deeper/model.safetensors"), "half");
        DpoTrainer.train(DpoProcess.options(directory, "out", 1), metrics -> {});
        assertThat(directory.resolve("out/model.safetensors")).exists();
        assertThat(directory.resolve("out")).isDirectoryNotContaining("glob:**/.*");
    }
}
