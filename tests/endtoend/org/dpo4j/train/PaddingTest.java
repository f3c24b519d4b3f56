package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachBf16Device;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.model.Model;
import org.dpo4j.model.ParameterTensor;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;

/** Training of a model whose sizes are padded in memory: hidden size 42, inner size 19, heads of 6. */
class PaddingTest {
    private static final ModelConfig ODD = Llama.config(37, 42, 19, 2, 7, 1, 64, true);

    @OnEachDevice
    void thePaddingStaysZero(On on) {
        check(on, TinyRun.options());
    }

    @OnEachBf16Device
    void thePaddingStaysZeroWithStochasticRounding(On on) {
        check(
                on,
                TinyRun.options()
                        .dtype(Precision.BFLOAT16)
                        .bf16StochasticRound(true)
                        .adamMomentsDtype(Precision.BFLOAT16));
    }

    private static void check(On on, DpoOptions.Builder options) {
        try (Model model = Model.create(ODD, on.device(), on.dtype(), 3)) {
            float[] before = TinyRun.weights(model);
            TinyRun run = TinyRun.dpo(
                    model,
                    TinyRun.pairs(8),
                    List.of(),
                    options.weightDecay(0.1).maxSteps(4).build());
            assertThat(run.last("rewards/margins")).isPositive();
            assertThat(run.weights()).isNotEqualTo(before);
            int inTensors = 0;
            for (ParameterTensor tensor : model.parameters().tensors()) {
                inTensors += nonZeros(model.parameters().readWeights(tensor));
            }
            assertThat(nonZeros(run.weights())).isEqualTo(inTensors);
        }
    }

    private static int nonZeros(float[] values) {
        int count = 0;
        for (float value : values) {
            count += value == 0 ? 0 : 1;
        }
        return count;
    }
}
