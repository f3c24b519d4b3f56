package org.dpo4j.conformance;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.GradientNorm;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.ReferenceGradientNorm;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

class GradientNormTest {

    private static double[] compute(On on, float maxNorm, double... gradientValues) {
        int count = gradientValues.length;
        try (Tensors tensors = new Tensors(on)) {
            Tensor norm = tensors.output("norm", DType.F32, 1, 2);
            Tensor workspace = tensors.workspace(GradientNorm.workspaceBytes(count));
            Tensor gradient = tensors.input("gradient", DType.F32, 1, count, gradientValues);
            tensors.run(device -> GradientNorm.compute(
                    device, norm.address(), workspace.address(), gradient.address(), count, maxNorm));
            return norm.values();
        }
    }

    /**
     * Squares and sums are fp64. So a finite gradient has a finite norm, which is rounded once; the clip factor is
     * rounded twice.
     */
    private static void check(On on, float maxNorm, double... gradient) {
        for (int i = 0; i < gradient.length; i++) {
            gradient[i] = (float) gradient[i];
        }
        double norm = ReferenceGradientNorm.norm(gradient);
        double[] expected = {norm, ReferenceGradientNorm.clip(norm, maxNorm)};
        Expect.near(
                "norm and clip of " + gradient.length,
                compute(on, maxNorm, gradient),
                expected,
                i -> (i + 1) * Tolerance.roundedOnce(expected[i]) + Tolerance.doubles(gradient.length, expected[i]));
    }

    @OnEachDevice
    @Tag("small")
    void normAndClip(On on) {
        for (int count : new int[] {1, 2, 7, 31, 64, 1000, 5003}) {
            double[] gradient = new Draw(count).normal(count, 0.3);
            check(on, 1, gradient);
            check(on, 1e6f, gradient);
            check(on, 0, gradient);
        }
    }

    @OnEachDevice
    void normOfManyElements(On on) {
        check(on, 1, new Draw(1).normal(300_007, 0.3));
    }

    @OnEachDevice
    @Tag("small")
    void extremes(On on) {
        check(on, 1, new double[40]);
        check(on, 1, 1e25, -1e25, 3e30);
        check(on, 1, 1e-30, -1e-30, 3e-35);
    }

    /** If one element is not finite, norm and clip factor are NaN, so the optimizer takes no step. */
    @OnEachDevice
    @Tag("small")
    void aGradientThatIsNotFinite(On on) {
        for (double bad : new double[] {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY}) {
            for (int at : new int[] {0, 500, 999}) {
                double[] gradient = new Draw(2).normal(1000, 1);
                gradient[at] = bad;
                Expect.exactly("norm and clip", compute(on, 1, gradient), new double[] {Double.NaN, Double.NaN});
                Expect.exactly("norm and clip", compute(on, 0, gradient), new double[] {Double.NaN, Double.NaN});
            }
        }
    }

    @OnEachDevice
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor norm = tensors.output("norm", DType.F32, 1, 2);
            Tensor workspace = tensors.workspace(GradientNorm.workspaceBytes(8));
            Tensor gradient = tensors.input("gradient", DType.F32, 1, 8, new Draw(3).normal(8, 1));
            new Refusals(tensors, "gradient_norm")
                    .address("norm", norm)
                    .address("workspace", workspace)
                    .address("gradient", gradient)
                    .size("count", 8, -1)
                    .number("max_norm", 1, -1, Float.NaN, Float.POSITIVE_INFINITY)
                    .check((device, a) -> GradientNorm.compute(
                            device,
                            a.get("norm"),
                            a.get("workspace"),
                            a.get("gradient"),
                            a.get("count"),
                            a.number("max_norm")));
        }
    }
}
