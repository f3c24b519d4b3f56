package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.function.IntToDoubleFunction;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.AdamW;
import org.dpo4j.kernels.decoder.AdamWOptions;
import org.dpo4j.kernels.decoder.WeightUpdate;
import org.dpo4j.kernels.decoder.WeightUpdate.Rounding;
import org.dpo4j.testkit.Bfloat16;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.ReferenceAdamW;
import org.dpo4j.testkit.ReferencePhilox;
import org.junit.jupiter.api.Tag;

/** Moments that are stored in bf16 and rounded stochastically. */
class AdamWMomentsTest {
    private static final long SEED = 0x299f31d0a4093822L;
    private static final int WORDS = 3;

    /** The arrays before a step. */
    private record State(double[] parameter, double[] m, double[] v, double[] gradient) {
        /** Random arrays. Moments are rounded to bf16, so that both storages start from equal moments. */
        static State drawn(int count) {
            Draw draw = new Draw(count);
            return new State(
                    draw.normal(count, 1),
                    bf16(draw.normal(count, 1)),
                    bf16(draw.uniform(count, 0, 1)),
                    draw.normal(count, 1));
        }

        private static double[] bf16(double[] values) {
            return Arrays.stream(values).map(x -> Bfloat16.rounded((float) x)).toArray();
        }
    }

    /** Tensors of bf16 parameters without master weights. The first element has number {@code first}. */
    private static final class Steps {
        final Tensor parameter;
        final Tensor m;
        final Tensor v;
        private final Tensor gradient;
        private final Tensor rates;
        private final Tensor clip;
        private final Tensor random;
        private final AdamWOptions options;
        private final DType moments;
        private final long first;

        /** Step {@code t} counts from 1. */
        Steps(Tensors tensors, State state, DType moments, AdamWOptions options, long first, int steps, double clip) {
            int count = state.parameter.length;
            parameter = tensors.updated("parameter", DType.BF16, 1, count, state.parameter);
            m = tensors.updated("m", moments, 1, count, state.m);
            v = tensors.updated("v", moments, 1, count, state.v);
            gradient = tensors.input("gradient", DType.F32, 1, count, state.gradient);
            rates = tensors.vector("rates", DType.F32, 1e-3, 2, 4);
            this.clip = tensors.vector("clip", DType.F32, clip);
            int[] words = new int[WORDS * steps];
            for (int t = 1; t <= steps; t++) {
                words[WORDS * (t - 1)] = (int) SEED;
                words[WORDS * (t - 1) + 1] = (int) (SEED >>> 32);
                words[WORDS * (t - 1) + 2] = t;
            }
            random = tensors.input("random", words);
            this.options = options;
            this.moments = moments;
            this.first = first;
        }

        void run(Device device, int t, int begin, int end) {
            AdamW.step(
                    device,
                    new WeightUpdate(
                            new WeightUpdate.Parameters(parameter.address() + 2L * begin, 0, DType.BF16),
                            new WeightUpdate.Inputs(gradient.address() + 4L * begin, rates.address(), clip.address()),
                            end - begin,
                            Rounding.stochastic(random.address() + 4L * WORDS * (t - 1), first + begin)),
                    new AdamW.Moments(
                            m.address() + (long) moments.bytes() * begin,
                            v.address() + (long) moments.bytes() * begin,
                            moments),
                    options);
        }
    }

    private static double[] rounded(int count, long first, int what, IntToDoubleFunction exact) {
        double[] rounded = new double[count];
        for (int i = 0; i < count; i++) {
            rounded[i] = ReferencePhilox.rounded(
                    (float) exact.applyAsDouble(i), ReferencePhilox.sixteenBits(SEED, 1, first + i, what));
        }
        return rounded;
    }

    /**
     * Every sum and product of m and v is exact in f32: betas are 1/2 and 3/4; gradients are multiples of 2^-6 with 11
     * bits, so their squares have 22; moments are multiples of 2^-4 with 8 bits. So the double-precision reference has
     * the device's moments before rounding, and {@link ReferencePhilox} has the random bits of the rounding.
     */
    @OnEachBf16Device
    @Tag("small")
    void momentsAreRoundedByTheRandomBitsOfTheReference(On on) {
        AdamWOptions options = new AdamWOptions(0.5, 0.75, 1e-8, 0);
        for (int count : new int[] {1, 8, 31, 1001}) {
            Draw draw = new Draw(count);
            State state = new State(
                    draw.normal(count, 1),
                    Arrays.stream(draw.uniform(count, -128, 127))
                            .map(x -> Math.rint(x) / 16)
                            .toArray(),
                    Arrays.stream(draw.uniform(count, 0, 255))
                            .map(x -> Math.rint(x) / 16)
                            .toArray(),
                    Arrays.stream(draw.uniform(count, -2000, 2000))
                            .map(x -> Math.rint(x) / 64)
                            .toArray());
            ReferenceAdamW[] reference = new ReferenceAdamW[count];
            for (int i = 0; i < count; i++) {
                reference[i] = new ReferenceAdamW(0, state.m[i], state.v[i]);
                reference[i].step(1, state.gradient[i], 1e-3, 0.5, 0.75, 1e-8, 0);
            }
            long first = (1L << 40) + 16;
            try (Tensors tensors = new Tensors(on)) {
                Steps steps = new Steps(tensors, state, DType.BF16, options, first, 1, 1);
                tensors.run(device -> steps.run(device, 1, 0, count));
                Expect.exactly("m of " + count, steps.m.values(), rounded(count, first, 1, i -> reference[i].m));
                Expect.exactly("v of " + count, steps.v.values(), rounded(count, first, 2, i -> reference[i].v));
            }
        }
    }

    /**
     * The parameter has the bits of a step with f32 moments, because the step uses the moments before they are rounded.
     */
    @OnEachBf16Device
    @Tag("small")
    void theStepUsesMomentsBeforeRounding(On on) {
        int count = 1003;
        State state = State.drawn(count);
        AdamWOptions options = new AdamWOptions(0.9, 0.999, 1e-8, 0.1);
        try (Tensors tensors = new Tensors(on)) {
            Steps exact = new Steps(tensors, state, DType.F32, options, 0, 1, 0.3);
            Steps stored = new Steps(tensors, state, DType.BF16, options, 0, 1, 0.3);
            tensors.run(device -> {
                exact.run(device, 1, 0, count);
                stored.run(device, 1, 0, count);
            });
            double[] m = exact.m.values();
            double[] v = exact.v.values();
            Expect.exactly("parameter", stored.parameter.values(), exact.parameter.values());
            Expect.exactly("m", stored.m.values(), rounded(count, 0, 1, i -> m[i]));
            Expect.exactly("v", stored.v.values(), rounded(count, 0, 2, i -> v[i]));
        }
    }

    /**
     * Without gradients, a moment that starts at v0 is v0 beta^T on average after T steps, because stochastic rounding
     * is unbiased. Rounding to one of two neighbours at distance s has variance at most s^2 / 4, and roundings of
     * different steps are uncorrelated. So the mean of n elements is within 6 s sqrt(T / 4 n), except for two in 10^9
     * draws; s is the distance at the max value, v0. Each f32 product before adds a relative error of 2^-24.
     *
     * <p>With rounding to nearest nothing would decay, because (1 - beta) v0 is less than s / 2. The mean would then be
     * off by far more than the tolerance.
     */
    @OnEachBf16Device
    void momentsDecayOnAverageAsWithoutRounding(On on) {
        int count = 20_000;
        int steps = 50;
        double beta = 0.999;
        AdamWOptions options = new AdamWOptions(beta, beta, 1e-8, 0);
        for (float value : new float[] {1, 1.9921875f, 0x1.4p-30f}) {
            double[] same = new double[count];
            Arrays.fill(same, value);
            State state = new State(new double[count], same, same, new double[count]);
            double mean = value * Math.pow(beta, steps);
            double tolerance = 6 * neighbours(value) * Math.sqrt(steps / (4.0 * count)) + steps * 0x1p-24 * value;
            try (Tensors tensors = new Tensors(on)) {
                Steps stepsOfType = new Steps(tensors, state, DType.BF16, options, 0, steps, 1);
                tensors.run(device -> {
                    for (int t = 1; t <= steps; t++) {
                        stepsOfType.run(device, t, 0, count);
                    }
                });
                Expect.near("mean of m", new double[] {mean(stepsOfType.m)}, new double[] {mean}, i -> tolerance);
                Expect.near("mean of v", new double[] {mean(stepsOfType.v)}, new double[] {mean}, i -> tolerance);
            }
            float nearest = value;
            for (int t = 1; t <= steps; t++) {
                nearest = Bfloat16.rounded((float) (beta * nearest));
            }
            assertThat(Math.abs(nearest - mean)).as("%s to nearest", value).isGreaterThan(10 * tolerance);
        }
    }

    /** Distance between a bf16 value and the next larger one. */
    private static double neighbours(float value) {
        return Math.ulp(value) * 0x1p16;
    }

    private static double mean(Tensor tensor) {
        return Arrays.stream(tensor.values()).average().orElseThrow();
    }

    @OnEachBf16Device
    @Tag("small")
    void doesNotDependOnHowAStepIsCut(On on) {
        int count = 1003;
        State state = State.drawn(count);
        try (Tensors tensors = new Tensors(on)) {
            Steps whole = new Steps(tensors, state, DType.BF16, AdamWOptions.DEFAULT, 64, 1, 1);
            Steps cut = new Steps(tensors, state, DType.BF16, AdamWOptions.DEFAULT, 64, 1, 1);
            tensors.run(device -> {
                whole.run(device, 1, 0, count);
                cut.run(device, 1, 0, 8);
                cut.run(device, 1, 8, 264);
                cut.run(device, 1, 264, count);
            });
            Expect.exactly("parameter", cut.parameter.values(), whole.parameter.values());
            Expect.exactly("m", cut.m.values(), whole.m.values());
            Expect.exactly("v", cut.v.values(), whole.v.values());
        }
    }

    @OnEachBf16Device
    @Tag("small")
    void aNanClipTakesNoStep(On on) {
        State state = State.drawn(37);
        try (Tensors tensors = new Tensors(on)) {
            Steps steps = new Steps(tensors, state, DType.BF16, AdamWOptions.DEFAULT, 0, 1, Double.NaN);
            double[] parameter = steps.parameter.values();
            tensors.run(device -> steps.run(device, 1, 0, 37));
            Expect.exactly("parameter", steps.parameter.values(), parameter);
            Expect.exactly("m", steps.m.values(), state.m);
            Expect.exactly("v", steps.v.values(), state.v);
        }
    }

    /**
     * bf16 moments need stochastic rounding, which neither master weights nor f32 parameters have. The cpu stores no
     * bf16.
     */
    @OnEachDType
    @Tag("small")
    void refusesBf16MomentsWithoutStochasticRounding(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor parameter = tensors.updated("parameter", on.dtype(), 1, 8, new double[8]);
            Tensor master = tensors.updated("master", DType.F32, 1, 8, new double[8]);
            Tensor m = tensors.updated("m", DType.F32, 1, 8, new double[8]);
            Tensor v = tensors.updated("v", DType.F32, 1, 8, new double[8]);
            Tensor gradient = tensors.input("gradient", DType.F32, 1, 8, new double[8]);
            Tensor rates = tensors.vector("rates", DType.F32, 1e-3, 1, 1);
            new Refusals(tensors, "adamw")
                    .size("moments_dtype", DType.F32.ordinal(), DType.BF16.ordinal(), DType.F16.ordinal())
                    .check((device, a) -> AdamW.step(
                            device,
                            new WeightUpdate(
                                    new WeightUpdate.Parameters(parameter.address(), master.address(), on.dtype()),
                                    new WeightUpdate.Inputs(gradient.address(), rates.address(), 0),
                                    8,
                                    Rounding.NEAREST),
                            new AdamW.Moments(m.address(), v.address(), a.dtype("moments_dtype")),
                            AdamWOptions.DEFAULT));
        }
    }
}
