package org.dpo4j.signals;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.dpo4j.train.DpoTrainer;
import org.dpo4j.train.RunFiles;
import org.dpo4j.train.checkpoint.CheckpointDirectory;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A run that is killed by SIGKILL, which nothing can handle. It goes on from its newest checkpoint, and ends with the
 * bytes of a run that was never killed.
 */
class KilledRunTest {
    private static final long SEED = 20261129;

    @TempDir
    private Path directory;

    @BeforeEach
    void makeInput() throws IOException {
        DpoProcess.makeInput(directory);
    }

    @Test
    void aFewKills() throws IOException, InterruptedException {
        killAndGoOn(2, 200);
    }

    @Test
    @Tag("long")
    void aHundredKills() throws IOException, InterruptedException {
        killAndGoOn(100, 20_000);
    }

    private void killAndGoOn(int kills, int steps) throws IOException, InterruptedException {
        DpoTrainer.train(
                DpoProcess.builder(directory, "never", steps)
                        .loggingSteps(7)
                        .saveSteps(20)
                        .saveTotalLimit(2)
                        .build(),
                metrics -> {});
        Random random = new Random(SEED);
        Path output = directory.resolve("killed");
        int newest = 0;
        for (int kill = 0; kill < kills; kill++) {
            Process process = start("killed", steps, newest > 0);
            awaitSteps(process);
            boolean isOver = process.waitFor(random.nextInt(500), TimeUnit.MILLISECONDS);
            process.destroyForcibly().waitFor();
            if (isOver) {
                break;
            }
            List<CheckpointDirectory> checkpoints = CheckpointDirectory.list(output);
            assertThat(checkpoints).allSatisfy(each -> assertThat(each.fault()).isNull());
            int last = checkpoints.isEmpty()
                    ? 0
                    : checkpoints.get(checkpoints.size() - 1).step();
            assertThat(last).isGreaterThanOrEqualTo(newest);
            newest = last;
        }
        if (newest > 0 || Files.notExists(output.resolve("model.safetensors"))) {
            assertThat(start("killed", steps, newest > 0).waitFor()).isZero();
        }
        RunFiles.assertSame(output, directory.resolve("never"));
        assertThat(output).isDirectoryNotContaining("glob:**/.*");
    }

    /** Waits until the process has printed a line of metrics of a step that it has trained, or has ended. */
    private void awaitSteps(Process process) throws IOException, InterruptedException {
        while (process.isAlive()
                && Files.readAllLines(directory.resolve("out.txt")).stream()
                        .noneMatch(line -> line.startsWith("step "))) {
            Thread.sleep(10);
        }
    }

    private Process start(String output, int steps, boolean isResumed) throws IOException {
        List<String> command = DpoProcess.command(directory, output);
        command.removeIf(word -> word.startsWith("--max_steps") || word.startsWith("--logging_steps"));
        command.addAll(List.of("--max_steps=" + steps, "--logging_steps=7", "--save_steps=20", "--save_total_limit=2"));
        if (isResumed) {
            command.add("--resume_from_checkpoint=true");
        }
        return new ProcessBuilder(command)
                .redirectError(directory.resolve("err.txt").toFile())
                .redirectOutput(directory.resolve("out.txt").toFile())
                .start();
    }
}
