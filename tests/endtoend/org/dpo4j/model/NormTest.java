package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.model.family.Architecture.NormKind;
import org.dpo4j.model.family.Architecture.NormPlacement;
import org.dpo4j.model.family.Architecture.NormTraits;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.model.family.ParameterKind;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.ReferenceLayerNorm;
import org.dpo4j.testkit.ReferenceLayerNorm.Moments;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Test;

/** LayerNorm as a block: where its weights and results are. */
class NormTest {
    private static final double EPSILON = 1e-5;
    private static final int WIDTH = 42;
    private static final int PADDED = 48;
    private static final int ROWS = 3;

    private static ModelConfig config(NormPlacement placement) {
        ModelConfig llama = Llama.config(21, WIDTH, 19, 2, 7, 1, 32, false);
        return ChangedConfig.norm(llama, new NormTraits(NormKind.LAYER_NORM, EPSILON, placement));
    }

    /** As in torch: weights begin as 1 and biases as 0, and neither decays. */
    @Test
    void everyNormHasAWeightAndABias() {
        ParameterLayout layout = new ParameterLayout(config(NormPlacement.AROUND_BRANCH));
        for (ParameterKind kind : ParameterKind.values()) {
            if (kind.name().endsWith("_NORM_BIAS")) {
                ParameterKind weight = ParameterKind.valueOf(kind.name().replace("_BIAS", ""));
                assertThat(weight.bias()).isEqualTo(kind);
                int layer = weight == ParameterKind.LAST_NORM ? 0 : 1;
                Parameter bias = layout.parameter(kind, layer);
                assertThat(bias.initialization()).isEqualTo(Initialization.ZEROS);
                assertThat(layout.parameter(weight, layer).initialization()).isEqualTo(Initialization.ONES);
                assertThat(bias.offset()).isGreaterThanOrEqualTo(layout.decayCount());
                assertThat(bias.count()).isEqualTo(PADDED);
            }
        }
        ParameterLayout before = new ParameterLayout(config(NormPlacement.BEFORE_BRANCH));
        assertThat(before.parameterOrNull(ParameterKind.MLP_OUTPUT_NORM_BIAS, 0))
                .isNull();
        ParameterLayout llama = new ParameterLayout(Llama.config(21, WIDTH, 19, 2, 7, 1, 32, false));
        assertThat(llama.parameterOrNull(ParameterKind.LAST_NORM_BIAS, 0)).isNull();
    }

    /** By hand: mean and rstd of a row are one f32 each, and each buffer is rounded up to 256 bytes. */
    @OnEachDevice
    void memoryOfMeanAndRstdIsCounted(On on) {
        ParameterLayout layout = new ParameterLayout(config(NormPlacement.BEFORE_BRANCH));
        try (Parameters parameters = Parameters.planned(layout, on.device(), DType.F32)) {
            Norm norm = new Norm(new Weights(parameters, layout, null), ParameterKind.LAST_NORM, 0, traits());
            assertThat(Layout.bytes(memory -> norm.placeSaved(memory, 100))).isEqualTo(2 * 512);
        }
    }

    private static NormTraits traits() {
        return new NormTraits(NormKind.LAYER_NORM, EPSILON, NormPlacement.BEFORE_BRANCH);
    }

    /** Inputs without padding. Those of the sum are multiples of 2^-10 below 8, so that it is exact. */
    private static final class Values {
        final Draw draw = new Draw(1);
        final double[] weight = floats(draw.normal(WIDTH, 1));
        final double[] bias = floats(draw.normal(WIDTH, 1));
        final double[] x = steps(draw.normal(ROWS * WIDTH, 1));
        final double[] branch = steps(draw.normal(ROWS * WIDTH, 1));
        final double[] dNormed = floats(draw.normal(ROWS * WIDTH, 1));
        final double[] dResidual = floats(draw.normal(ROWS * WIDTH, 1));

        private static double[] floats(double[] values) {
            return Arrays.stream(values).map(v -> (float) v).toArray();
        }

        private static double[] steps(double[] values) {
            return Arrays.stream(values).map(v -> Math.rint(v * 1024) / 1024).toArray();
        }
    }

    /** Buffers of a step, and memory for the workspace. */
    private record Buffers(long x, long branch, long sum, long normed, long dX, Norm.Saved saved, long workspace) {
        static Buffers place(Layout layout, Norm norm) {
            return new Buffers(
                    layout.matrix(ROWS, PADDED, DType.F32),
                    layout.matrix(ROWS, PADDED, DType.F32),
                    layout.matrix(ROWS, PADDED, DType.F32),
                    layout.matrix(ROWS, PADDED, DType.F32),
                    layout.matrix(ROWS, PADDED, DType.F32),
                    norm.placeSaved(layout, ROWS),
                    norm.placeWorkspace(layout, ROWS));
        }
    }

    @OnEachDevice
    void forwardAndBackwardOfARowWithPadding(On on) {
        Device device = on.device();
        ParameterLayout layout = new ParameterLayout(config(NormPlacement.BEFORE_BRANCH));
        Values values = new Values();
        try (Parameters parameters = Parameters.allocate(layout, device, DType.F32);
                Arena arena = new Arena(device)) {
            Parameter weight = layout.parameter(ParameterKind.MLP_NORM, 1);
            Parameter bias = layout.parameter(ParameterKind.MLP_NORM_BIAS, 1);
            device.upload(parameters.weight(weight), pad(values.weight));
            device.upload(parameters.weight(bias), pad(values.bias));
            Norm norm = new Norm(new Weights(parameters, layout, null), ParameterKind.MLP_NORM, 1, traits());
            Buffers at = arena.layout(memory -> Buffers.place(memory, norm));
            device.upload(at.x, pad(values.x));
            device.upload(at.branch, pad(values.branch));
            norm.forwardSum(at.normed, at.saved, at.sum, at.x, at.branch, ROWS);
            float[] normed = device.downloadFloats(at.normed, ROWS * PADDED);
            norm.forward(at.normed, at.saved, at.sum, ROWS);
            assertThat(device.downloadFloats(at.normed, ROWS * PADDED)).isEqualTo(normed);
            device.upload(at.branch, pad(values.dNormed));
            device.upload(at.dX, pad(values.dResidual));
            norm.backward(at.dX, at.branch, at.dX, at.sum, at.saved, at.workspace, ROWS);
            checkRows(values, normed, device.downloadFloats(at.dX, ROWS * PADDED));
            checkParameters(
                    values,
                    device.downloadFloats(parameters.gradient(weight), PADDED),
                    device.downloadFloats(parameters.gradient(bias), PADDED));
        }
    }

    private static float[] pad(double[] values) {
        float[] padded = new float[values.length / WIDTH * PADDED];
        for (int i = 0; i < values.length; i++) {
            padded[i / WIDTH * PADDED + i % WIDTH] = (float) values[i];
        }
        return padded;
    }

    private static double[] row(double[] values, int row) {
        return Arrays.copyOfRange(values, row * WIDTH, (row + 1) * WIDTH);
    }

    private static double[] sum(Values values, int row) {
        double[] sum = row(values.x, row);
        double[] branch = row(values.branch, row);
        Arrays.setAll(sum, j -> sum[j] + branch[j]);
        return sum;
    }

    private static void checkRows(Values values, float[] normed, float[] dX) {
        for (int row = 0; row < ROWS; row++) {
            double[] x = sum(values, row);
            Moments moments = ReferenceLayerNorm.moments(x, EPSILON);
            double[] y = ReferenceLayerNorm.forward(x, values.weight, values.bias, moments);
            double[] expected = ReferenceLayerNorm.backwardX(row(values.dNormed, row), x, values.weight, moments);
            double[] residual = row(values.dResidual, row);
            for (int j = 0; j < PADDED; j++) {
                // Elements are below 10, and rows have 42: at most 42 roundings of numbers below 100.
                double allowed = j < WIDTH ? 42 * 100 * Tolerance.U : 0;
                int at = row * PADDED + j;
                assertThat(Math.abs(normed[at] - (j < WIDTH ? y[j] : 0))).isLessThanOrEqualTo(allowed);
                assertThat(Math.abs(dX[at] - (j < WIDTH ? expected[j] + residual[j] : 0)))
                        .isLessThanOrEqualTo(allowed);
            }
        }
    }

    private static void checkParameters(Values values, float[] dWeight, float[] dBias) {
        double[] weight = new double[PADDED];
        double[] bias = new double[PADDED];
        for (int row = 0; row < ROWS; row++) {
            double[] x = sum(values, row);
            double[] d = row(values.dNormed, row);
            double[] terms = ReferenceLayerNorm.backwardWeight(d, x, ReferenceLayerNorm.moments(x, EPSILON));
            for (int j = 0; j < WIDTH; j++) {
                weight[j] += terms[j];
                bias[j] += d[j];
            }
        }
        for (int j = 0; j < PADDED; j++) {
            double allowed = j < WIDTH ? 42 * 100 * Tolerance.U : 0;
            assertThat(Math.abs(dWeight[j] - weight[j])).isLessThanOrEqualTo(allowed);
            assertThat(Math.abs(dBias[j] - bias[j])).isLessThanOrEqualTo(allowed);
        }
    }
}
