package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.conformance.TestDevices;
import org.dpo4j.report.Metrics;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** A small model with pairs, and runs that train LoRA adapters of it, from files to files. */
abstract class AdapterFixture {
    @TempDir
    Path directory;

    @BeforeEach
    void makeModelAndPairs() throws IOException {
        TinyRun.writeModelAndPairs(directory);
    }

    /** Four steps of two pairs, in fp32, without checkpoints. */
    DpoOptions.Builder lora(String output) {
        return onDevice(output)
                .usePeft(true)
                .loraR(4)
                .loraTargetModules("all-linear")
                .perDeviceTrainBatchSize(2)
                .maxSteps(4)
                .saveStrategy(SaveStrategy.NO);
    }

    DpoOptions.Builder onDevice(String output) {
        return TinyRun.options(directory, output).device(TestDevices.option()).dtype(Precision.FLOAT32);
    }

    static List<Metrics> train(DpoOptions.Builder options) {
        return DpoTrainer.train(options.build(), metrics -> {});
    }

    static void assertSameMetrics(List<Metrics> history, List<Metrics> expected) {
        for (int i = 0; i < expected.size(); i++) {
            for (String name : TinyRun.METRICS) {
                assertThat(history.get(i).values().get(name))
                        .as("%s of step %d", name, i + 1)
                        .isEqualTo(expected.get(i).values().get(name));
            }
        }
    }

    byte[] bytes(String file) throws IOException {
        return Files.readAllBytes(directory.resolve(file));
    }

    /** The weights of the adapter in a directory. */
    byte[] adapter(String output) throws IOException {
        return bytes(output + "/adapter_model.safetensors");
    }
}
