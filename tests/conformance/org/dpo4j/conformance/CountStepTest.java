package org.dpo4j.conformance;

import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.CountStep;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

class CountStepTest {
    private static final double BETA1 = 0.9;
    private static final double BETA2 = 0.999;

    private record Left(double clip, double steps, double[] corrections, double[] sums, double[] kept) {}

    /** A step that has added to sums, the first of which is its loss. */
    private record Step(double clip, int before, double[] sums, double[] kept, boolean hasLoss) {
        Left on(On on) {
            try (Tensors tensors = new Tensors(on)) {
                Tensor clip = tensors.updated("clip", DType.F32, 1, 1, this.clip);
                Tensor steps = tensors.updatedInts("steps", 1, 1, 1, before);
                Tensor corrections = tensors.output("corrections", DType.F32, 1, 2);
                Tensor sums = tensors.updatedDoubles("sums", this.sums);
                Tensor kept = tensors.updatedDoubles("kept", this.kept);
                tensors.run(device -> CountStep.compute(
                        device,
                        new CountStep.Step(clip.address(), steps.address(), hasLoss ? sums.address() : 0),
                        new CountStep.Sums(sums.address(), kept.address(), this.sums.length),
                        new CountStep.Corrections(corrections.address(), BETA1, BETA2)));
                return new Left(
                        clip.values()[0], steps.values()[0], corrections.values(), sums.values(), kept.values());
            }
        }
    }

    private static double[] filled(int count, double value) {
        double[] values = new double[count];
        Arrays.fill(values, value);
        return values;
    }

    private static void expect(Left left, double clip, int steps, double sum) {
        Expect.exactly("clip", new double[] {left.clip}, new double[] {clip});
        Expect.exactly("steps", new double[] {left.steps}, new double[] {steps});
        Expect.exactly("sums", left.sums, filled(left.sums.length, sum));
        Expect.exactly("kept", left.kept, filled(left.kept.length, sum));
    }

    /** 64 threads copy the sums: fewer, as many and more. */
    @OnEachDevice
    @Tag("small")
    void anAppliedStepIsCountedAndItsSumsAreKept(On on) {
        for (int count : new int[] {0, 1, 36, 64, 131}) {
            double[] sums = filled(count, 5);
            expect(new Step(0.5, 6, sums, filled(count, 3), count > 0).on(on), 0.5, 7, 5);
        }
    }

    @OnEachDevice
    @Tag("small")
    void aSkippedStepLeavesNoTrace(On on) {
        for (int count : new int[] {0, 1, 36, 64, 131}) {
            expect(
                    new Step(Double.NaN, 6, filled(count, Double.NaN), filled(count, 3), count > 0).on(on),
                    Double.NaN,
                    6,
                    3);
        }
    }

    /** The gradient was finite, so the clip factor is too. Without an address of the loss nothing is looked at. */
    @OnEachDevice
    @Tag("small")
    void aLossThatIsNotFiniteSkipsTheStep(On on) {
        for (double loss : new double[] {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY}) {
            double[] sums = filled(36, 5);
            sums[0] = loss;
            expect(new Step(0.5, 6, sums, filled(36, 3), true).on(on), Double.NaN, 6, 3);
            Left unseen = new Step(0.5, 6, sums, filled(36, 3), false).on(on);
            Expect.exactly("kept", unseen.kept, sums);
        }
        expect(new Step(1, 0, filled(2, -Double.MAX_VALUE), new double[2], true).on(on), 1, 1, -Double.MAX_VALUE);
    }

    /**
     * 1 - beta^t by expm1, so without its cancellation. A power is off by at most 2 t ulp of fp64, and the difference from 1
     * magnifies that by power / (1 - power), which is below 1 / (t (1 - beta)).
     */
    @OnEachDevice
    @Tag("small")
    void biasCorrectionsAreThoseOfTheAppliedSteps(On on) {
        for (int t : new int[] {1, 2, 3, 20, 1000, 65_537, 1 << 30}) {
            double[] found = new Step(1, t - 1, new double[0], new double[0], false).on(on).corrections;
            double[] expected = Arrays.stream(new double[] {BETA1, BETA2})
                    .map(beta -> -1 / Math.expm1(t * Math.log(beta)))
                    .toArray();
            Expect.near(
                    "corrections of step " + t,
                    found,
                    expected,
                    i -> Tolerance.roundedOnce(expected[i]) + Tolerance.doubles(4, expected[i] / (1 - BETA2)));
        }
    }

    @OnEachDevice
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor sums = tensors.updatedDoubles("sums", 1, 2);
            new Refusals(tensors, "count_step")
                    .indices("clip", tensors.updated("clip", DType.F32, 1, 1, 1.0))
                    .indices("steps", tensors.updatedInts("steps", 1, 1, 1, 0))
                    .indicesOrNull("corrections", tensors.output("corrections", DType.F32, 1, 2))
                    .address("sums", sums)
                    .address("kept", tensors.updatedDoubles("kept", 1, 2))
                    .addressOrNull("loss", sums)
                    .size("count", 2, -1)
                    .number("beta1", 0.9f, -0.1f, 1, Float.NaN)
                    .number("beta2", 0.9f, -0.1f, 1, Float.NaN)
                    .check((device, a) -> CountStep.compute(
                            device,
                            new CountStep.Step(a.get("clip"), a.get("steps"), a.get("loss")),
                            new CountStep.Sums(a.get("sums"), a.get("kept"), a.get("count")),
                            new CountStep.Corrections(a.get("corrections"), a.number("beta1"), a.number("beta2"))));
        }
    }
}
