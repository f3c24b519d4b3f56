package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.CancellationException;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.Model;
import org.dpo4j.model.ParameterTensor;
import org.dpo4j.model.SavedDtype;
import org.dpo4j.report.Metrics;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs whose weights do not fit into float16, whose range ends at 65504. 65519 still rounds to that, 65520 does not. */
class Float16RangeTest {
    @TempDir
    private Path directory;

    @BeforeEach
    void writeModelAndPairs() throws IOException {
        TinyRun.writeModelAndPairs(directory);
    }

    private DpoOptions.Builder options() {
        return TinyRun.options(directory, "out")
                .maxSteps(1)
                .lrSchedulerType(LrSchedulerType.CONSTANT)
                .saveStrategy(SaveStrategy.NO);
    }

    @Test
    void weightsBeyondItAreRefusedBeforeTraining() {
        setFirstWeight(65520);
        Recorder recorder = new Recorder();
        assertRefused(
                () -> DpoTrainer.train(options().saveDtype(SavedDtype.FLOAT16).build(), recorder),
                "model.embed_tokens.weight is 65520.0 at [0, 0]",
                "beyond 65504",
                "set save_dtype to float32 or bfloat16");
        assertThat(recorder.headers).isEmpty();
        assertThat(directory.resolve("out/model.safetensors")).doesNotExist();
    }

    @Test
    void theLargestWeightsAreSaved() {
        setFirstWeight(65519);
        DpoTrainer.train(options().saveDtype(SavedDtype.FLOAT16).learningRate(0).build(), metrics -> {});
        try (Device device = Devices.cpu(1);
                Model model = Model.load(directory.resolve("out"), device, DType.F32)) {
            ParameterTensor tensor = model.parameters().tensor("model.embed_tokens.weight");
            assertThat(model.parameters().readWeights(tensor)[0]).isEqualTo(65504f);
        }
    }

    /** AdamW's first step moves each weight with a gradient by the learning rate. */
    @Test
    void aModelThatGrowsBeyondItIsSavedInFloat32AndTheRunSaysSo() {
        assertRefused(
                () -> DpoTrainer.train(
                        options()
                                .saveDtype(SavedDtype.FLOAT16)
                                .learningRate(70_000)
                                .build(),
                        metrics -> {}),
                "after step 1, beyond 65504",
                "the model is saved in float32 in " + directory.resolve("out"),
                "set save_dtype to float32 or bfloat16");
        DpoTrainer.train(
                TinyRun.options(directory, "float32")
                        .maxSteps(1)
                        .lrSchedulerType(LrSchedulerType.CONSTANT)
                        .saveDtype(SavedDtype.FLOAT32)
                        .learningRate(70_000)
                        .build(),
                metrics -> {});
        for (String file : new String[] {"model.safetensors", "config.json"}) {
            assertThat(directory.resolve("out").resolve(file))
                    .hasSameBinaryContentAs(directory.resolve("float32").resolve(file));
        }
        assertThat(directory.resolve("out/.writing")).doesNotExist();
    }

    @Test
    void aRunThatEndsEarlySaysSoToo() {
        Recorder recorder = new Recorder() {
            private boolean isTrained;

            @Override
            public void metrics(Metrics metrics) {
                isTrained = true;
            }

            @Override
            public boolean isCancelled() {
                return isTrained;
            }
        };
        DpoOptions options = options()
                .maxSteps(2)
                .saveDtype(SavedDtype.FLOAT16)
                .learningRate(70_000)
                .build();
        assertThatThrownBy(() -> DpoTrainer.train(options, recorder)).isInstanceOf(CancellationException.class);
        assertThat(recorder.notices).hasSize(2);
        assertThat(recorder.notices.get(0)).isEqualTo("saved the weights of step 1 in " + directory.resolve("out"));
        assertThat(recorder.notices.get(1)).contains("after step 1, beyond 65504", "saved in float32");
    }

    private void setFirstWeight(float value) {
        Path path = directory.resolve("model");
        try (Device device = Devices.cpu(1);
                Model model = Model.load(path, device, DType.F32)) {
            ParameterTensor tensor = model.parameters().tensor("model.embed_tokens.weight");
            float[] values = model.parameters().readWeights(tensor);
            values[0] = value;
            model.parameters().writeWeights(tensor, values);
            model.save(path, DType.F32);
        }
    }
}
