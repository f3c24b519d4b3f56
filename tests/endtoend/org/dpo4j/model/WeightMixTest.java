package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.util.List;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.kernels.DType;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;

/** {@code (1 - alpha) target + alpha source}, for each weight of a model. */
class WeightMixTest {
    /** More than 8192 rows of 128 weights, which are mixed in two pieces; a width with padding. */
    private static final ModelConfig CONFIG = Llama.config(4099, 260, 24, 1, 2, 1, 64, true);

    private static final double ALPHA = 0.4;

    /** Each of the two products and the sum is rounded once. */
    @OnEachDType
    void everyWeightIsTheMean(On on) {
        double half = on.dtype() == DType.F32 ? 0x1p-24 : 0x1p-8;
        try (Model target = Model.create(CONFIG, on.device(), on.dtype(), 3);
                Model source = Model.create(CONFIG, on.device(), on.dtype(), 4);
                WeightMix mix = new WeightMix(target.parameters(), source.parameters(), ALPHA)) {
            assertThat(target.parameters().count()).isGreaterThan(8192 * 128);
            List<ParameterTensor> tensors = target.parameters().tensors();
            List<float[]> before =
                    tensors.stream().map(target.parameters()::readWeights).toList();
            List<float[]> other =
                    tensors.stream().map(source.parameters()::readWeights).toList();
            mix.run();
            for (int t = 0; t < tensors.size(); t++) {
                ParameterTensor tensor = tensors.get(t);
                check(
                        tensor.name(),
                        half,
                        before.get(t),
                        other.get(t),
                        target.parameters().readWeights(tensor));
                assertThat(source.parameters().readWeights(tensor)).isEqualTo(other.get(t));
            }
        }
    }

    private static void check(String name, double half, float[] before, float[] other, float[] after) {
        for (int i = 0; i < after.length; i++) {
            double kept = (1 - ALPHA) * before[i];
            double added = ALPHA * other[i];
            double error = half * (Math.abs(kept) + Math.abs(added) + Math.abs(kept + added)) * (1 + 0x1p-8);
            // the factors are f32
            error += 0x1p-24 * (Math.abs(kept) + Math.abs(added));
            // not one of AssertJ's: there are a million weights
            if (!(Math.abs(after[i] - (kept + added)) <= error)) {
                throw new AssertionError(
                        "%s [%d]: %s, expected %s within %s".formatted(name, i, after[i], kept + added, error));
            }
        }
    }

    @OnEachDevice
    void otherTensorsAreRefused(On on) {
        ModelConfig wider = Llama.config(4099, 260, 32, 1, 2, 1, 64, true);
        try (Model target = Model.planned(wider, on.device(), on.dtype());
                Model source = Model.planned(CONFIG, on.device(), on.dtype())) {
            assertRefused(
                    () -> new WeightMix(target.parameters(), source.parameters(), ALPHA),
                    "the reference has model.layers.0.mlp.gate_proj.weight [32, 260] where the trained model has"
                            + " model.layers.0.mlp.gate_proj.weight [24, 260]");
        }
    }
}
