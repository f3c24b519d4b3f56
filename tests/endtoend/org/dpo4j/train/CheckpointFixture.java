package org.dpo4j.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.conformance.TestDevices;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** A small model with pairs, and runs of it with checkpoints. */
abstract class CheckpointFixture {
    static final boolean IS_CPU = TestDevices.isCpu();

    @TempDir
    Path directory;

    @BeforeEach
    void makeModelAndPairs() throws IOException {
        TinyRun.writeModelAndPairs(directory);
        Files.createDirectories(directory.resolve("model/additional_chat_templates"));
        Files.writeString(directory.resolve("model/additional_chat_templates/rag.jinja"), "x");
    }

    /**
     * 12 steps of two micro-batches over 8 pairs, so epochs end inside the run. The windows of metrics are 5 steps, so most
     * checkpoints are inside a window. Evaluations are every 4 steps.
     */
    DpoOptions.Builder options(String output) {
        return TinyRun.options(directory, output)
                .device(TestDevices.option())
                .dtype(Precision.FLOAT32)
                .gradientAccumulationSteps(2)
                .perDeviceTrainBatchSize(2)
                .evalDataset(directory.resolve("pairs.jsonl"))
                .evalSteps(4)
                .loggingSteps(5)
                .warmupSteps(3)
                .maxSteps(12)
                .saveStrategy(SaveStrategy.NO);
    }

    void assertSame(String output, String expected) throws IOException {
        RunFiles.assertSame(directory.resolve(output), directory.resolve(expected));
    }

    List<String> lines(String output) throws IOException {
        return RunFiles.metrics(directory.resolve(output));
    }

    void train(DpoOptions.Builder options) {
        DpoTrainer.train(options.build(), metrics -> {});
    }

    DpoOptions.Builder resumed() {
        return options("out").resumeFromCheckpoint("true");
    }
}
