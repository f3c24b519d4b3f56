package org.dpo4j.signals;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.dpo4j.model.TestJvm;
import org.dpo4j.model.family.Llama;
import org.dpo4j.train.DpoOptions;
import org.dpo4j.train.LrSchedulerType;
import org.dpo4j.train.TinyRun;

/** {@code dpo4j dpo} in a process of its own, on files in one directory; its lines of standard error go to a file. */
final class DpoProcess implements AutoCloseable {
    private final Process process;
    private final Path directory;
    private final BufferedReader out;

    private DpoProcess(Process process, Path directory) {
        this.process = process;
        this.directory = directory;
        this.out = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    }

    /** Makes {@code model} and {@code pairs.jsonl} in the directory. */
    static void makeInput(Path directory) throws IOException {
        TinyRun.writeModelAndPairs(directory, Llama.config(2000, 32, 48, 2, 2, 1, 64, true), 16);
    }

    /** The same run from Java, with this number of steps. */
    static DpoOptions options(Path directory, String output, int steps) {
        return builder(directory, output, steps).build();
    }

    static DpoOptions.Builder builder(Path directory, String output, int steps) {
        return DpoOptions.builder()
                .modelNameOrPath(directory.resolve("model"))
                .datasetName(directory.resolve("pairs.jsonl"))
                .outputDir(directory.resolve(output))
                .device("cpu")
                .learningRate(1e-3)
                .lrSchedulerType(LrSchedulerType.CONSTANT)
                .maxSteps(steps)
                .loggingSteps(1);
    }

    /** The command of a run of 20,000 steps. */
    static List<String> command(Path directory, String output) {
        return TestJvm.command(
                "org.dpo4j.cli.Main",
                "dpo",
                "--model_name_or_path=" + directory.resolve("model"),
                "--dataset_name=" + directory.resolve("pairs.jsonl"),
                "--output_dir=" + directory.resolve(output),
                "--device=cpu",
                "--learning_rate=1e-3",
                "--lr_scheduler_type=constant",
                "--max_steps=20000",
                "--logging_steps=1");
    }

    /** Starts the command. If a shell runs these tests in the background, it ignores SIGINT; env undoes that. */
    static DpoProcess start(Path directory, String output) throws IOException {
        List<String> command = command(directory, output);
        command.addAll(0, List.of("env", "--default-signal=INT,TERM,HUP"));
        return start(directory, command);
    }

    static DpoProcess start(Path directory, List<String> command) throws IOException {
        return new DpoProcess(
                new ProcessBuilder(command)
                        .redirectError(directory.resolve("err.txt").toFile())
                        .start(),
                directory);
    }

    long pid() {
        return process.pid();
    }

    /** Reads standard output up to the first line with this beginning. */
    void awaitLine(String beginning) throws IOException {
        String line = out.readLine();
        while (line != null && !line.startsWith(beginning)) {
            line = out.readLine();
        }
        if (line == null) {
            throw new AssertionError("ended without a line " + beginning + ": " + err());
        }
    }

    /** Waits until the process blocks because nobody reads its output: a pipe holds 64 KiB. */
    void awaitFullPipe() throws IOException, InterruptedException {
        int before = -1;
        int now = process.getInputStream().available();
        while (now < 60_000 || now != before) {
            Thread.sleep(100); // a step takes a few milliseconds
            before = now;
            now = process.getInputStream().available();
        }
    }

    void signal(String name) throws IOException, InterruptedException {
        new ProcessBuilder("sh", "-c", "kill -" + name + " " + process.pid())
                .inheritIO()
                .start()
                .waitFor();
    }

    /** Reads the rest of standard output; the exit code. */
    int await() throws IOException, InterruptedException {
        while (out.readLine() != null) {
            // not of interest
        }
        return awaitUnread();
    }

    /** The exit code, once it ends with its output unread. */
    int awaitUnread() throws InterruptedException, IOException {
        if (!process.waitFor(60, TimeUnit.SECONDS)) {
            throw new AssertionError("does not end: " + err());
        }
        return process.exitValue();
    }

    String err() throws IOException {
        return Files.readString(directory.resolve("err.txt"));
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }
}
