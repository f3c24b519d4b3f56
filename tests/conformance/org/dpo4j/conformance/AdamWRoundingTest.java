package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.AdamW;
import org.dpo4j.kernels.decoder.AdamWOptions;
import org.dpo4j.kernels.decoder.WeightUpdate;
import org.dpo4j.kernels.decoder.WeightUpdate.Rounding;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.ReferencePhilox;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The stochastic rounding of bf16 parameters without master weights. */
class AdamWRoundingTest {
    /** With rates {1, 1, 0} the step is {@code p - g}: m is g, and the denominator 0 v + 1. */
    private static final AdamWOptions SUBTRACTION = new AdamWOptions(0, 0, 1, 0);

    private static final double[] ONE = {1, 1, 0};

    /** The key of the random bits of a step. */
    private record Key(long seed, int step, long first) {}

    /**
     * Tensors of calls whose exact results are {@code exact}. The parameters before are {@code exact} truncated to
     * bf16.
     */
    private static final class Subtraction {
        private final Tensor parameter;
        private final Tensor m;
        private final Tensor v;
        private final Tensor gradient;
        private final Tensor rates;
        private final Tensor random;
        private final int count;
        private final Key key;

        /** {@code exact} minus its truncation has at most 16 bits, so the device's subtraction is exact. */
        Subtraction(Tensors tensors, float[] exact, Key key) {
            this.key = key;
            count = exact.length;
            double[] before = new double[count];
            double[] by = new double[count];
            for (int i = 0; i < count; i++) {
                before[i] = truncated(exact[i]);
                by[i] = before[i] - exact[i];
            }
            parameter = tensors.updated("parameter", DType.BF16, 1, count, before);
            m = tensors.updated("m", DType.F32, 1, count, new double[count]);
            v = tensors.updated("v", DType.F32, 1, count, new double[count]);
            gradient = tensors.input("gradient", DType.F32, 1, count, by);
            rates = tensors.vector("rates", DType.F32, ONE);
            random = tensors.input("random", (int) key.seed, (int) (key.seed >>> 32), key.step);
        }

        void run(Device device, int begin, int end) {
            AdamW.step(
                    device,
                    new WeightUpdate(
                            new WeightUpdate.Parameters(parameter.address() + 2L * begin, 0, DType.BF16),
                            new WeightUpdate.Inputs(gradient.address() + 4L * begin, rates.address(), 0),
                            end - begin,
                            Rounding.stochastic(random.address(), key.first + begin)),
                    new AdamW.Moments(m.address() + 4L * begin, v.address() + 4L * begin, DType.F32),
                    SUBTRACTION);
        }
    }

    private static float truncated(float value) {
        return Float.intBitsToFloat(Float.floatToRawIntBits(value) & 0xFFFF0000);
    }

    private static double[] rounded(On on, float[] exact, Key key) {
        try (Tensors tensors = new Tensors(on)) {
            Subtraction subtraction = new Subtraction(tensors, exact, key);
            tensors.run(device -> subtraction.run(device, 0, exact.length));
            return subtraction.parameter.values();
        }
    }

    private static float[] draw(int count) {
        float[] values = new float[count];
        double[] drawn = new Draw(count).normal(count, 1);
        for (int i = 0; i < count; i++) {
            values[i] = (float) drawn[i];
        }
        return values;
    }

    /** Expected values are kat_vectors of Random123, the authors' implementation. */
    @Test
    void philoxEqualsRandom123() {
        assertThat(ReferencePhilox.bits(new int[4], new int[2]))
                .containsExactly(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
        assertThat(ReferencePhilox.bits(new int[] {-1, -1, -1, -1}, new int[] {-1, -1}))
                .containsExactly(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
        assertThat(ReferencePhilox.bits(
                        new int[] {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, new int[] {0xa4093822, 0x299f31d0}))
                .containsExactly(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1);
    }

    /**
     * Each element is rounded by its own 16 random bits. Other random bits give another result with probability 1/3, so
     * a thousand elements cannot agree by chance.
     */
    @OnEachBf16Device
    void roundsByTheBitsOfTheElement(On on) {
        List<Key> keys = List.of(
                new Key(0, 0, 0),
                new Key(42, 1, 0),
                new Key(-1, -1, 8),
                new Key(0x299f31d0a4093822L, 7, (1L << 40) + 16));
        for (Key key : keys) {
            for (int count : new int[] {1, 3, 8, 31, 64, 1001, 20_003}) {
                float[] exact = draw(count);
                double[] expected = new double[count];
                for (int i = 0; i < count; i++) {
                    expected[i] = ReferencePhilox.rounded(
                            exact[i], ReferencePhilox.sixteenBits(key.seed, key.step, key.first + i));
                }
                Expect.exactly(key + " " + count, rounded(on, exact, key), expected);
            }
        }
    }

    @OnEachBf16Device
    void doesNotDependOnHowAStepIsCut(On on) {
        int count = 5000;
        float[] exact = draw(count);
        double[] whole = rounded(on, exact, new Key(3, 9, 64));
        try (Tensors tensors = new Tensors(on)) {
            Subtraction subtraction = new Subtraction(tensors, exact, new Key(3, 9, 64));
            tensors.run(device -> {
                subtraction.run(device, 0, 8);
                subtraction.run(device, 8, 2056);
                subtraction.run(device, 2056, count);
            });
            Expect.exactly("in three calls", subtraction.parameter.values(), whole);
        }
    }

    /**
     * Rounds one value at many elements and steps. Of n roundings, k are away from zero. k is binomial with p = the
     * position of the value between its two neighbours, so |k - n p| stays below 6 sqrt(n p (1 - p)), except for two in
     * 10^9 draws; there are eighteen draws. Every rounding gives one of the two neighbours.
     */
    @OnEachBf16Device
    void roundingIsUnbiased(On on) {
        int count = 40_000;
        for (float towardsZero : new float[] {0.75f, -1.5f, 0x1p-130f}) {
            float away = Float.intBitsToFloat(Float.floatToRawIntBits(towardsZero) + 0x10000);
            for (int dropped : new int[] {1 << 8, 0x5555, 0x8000, 0xC001, 0xFFFF - 0xFF, 0x1234}) {
                float exact = Float.intBitsToFloat(Float.floatToRawIntBits(towardsZero) + dropped);
                float[] same = new float[count];
                Arrays.fill(same, exact);
                double[] rounded = rounded(on, same, new Key(42, dropped, 0));
                assertThat(Arrays.stream(rounded).filter(x -> x != towardsZero && x != away))
                        .isEmpty();
                double p = dropped / 65536.0;
                long ups = Arrays.stream(rounded).filter(x -> x == away).count();
                assertThat(Math.abs(ups - count * p))
                        .as("%d of %d away from zero at p = %s", ups, count, p)
                        .isLessThan(6 * Math.sqrt(count * p * (1 - p)));
            }
        }
    }

    /** Values that bf16 represents exactly do not change, for many random words. */
    @OnEachBf16Device
    void exactValuesNeverMove(On on) {
        float[] kept = {0, -0.0f, 1, -1, 0.0078125f, 3.3895314e38f, -3.3895314e38f, 0x1p-126f, 0x1p-133f, -3.140625f};
        float[] exact = new float[100_000];
        for (int i = 0; i < exact.length; i++) {
            exact[i] = kept[i % kept.length];
        }
        double[] expected = new double[exact.length];
        Arrays.setAll(expected, i -> exact[i]);
        Expect.exactly("bf16 values", rounded(on, exact, new Key(42, 1, 0)), expected);
    }

    /** m and v in f32 have the bits of a step with master weights. A step that is skipped changes nothing. */
    @OnEachBf16Device
    @Tag("small")
    void momentsAreNotRounded(On on) {
        int count = 37;
        Draw draw = new Draw(5);
        double[] parameters = draw.normal(count, 1);
        double[] gradients = draw.normal(count, 1);
        AdamWOptions options = new AdamWOptions(0.9, 0.95, 1e-8, 0.1);
        for (float clip : new float[] {0.3f, Float.NaN}) {
            try (Tensors tensors = new Tensors(on)) {
                Tensor[] m = new Tensor[2];
                Tensor[] v = new Tensor[2];
                Tensor[] parameter = new Tensor[2];
                for (int i = 0; i < 2; i++) {
                    parameter[i] = tensors.updated("parameter", DType.BF16, 1, count, parameters);
                    m[i] = tensors.updated("m", DType.F32, 1, count, gradients);
                    v[i] = tensors.updated("v", DType.F32, 1, count, new double[count]);
                }
                double[] stored = parameter[0].values();
                Tensor master = tensors.updated("master", DType.F32, 1, count, stored);
                Tensor gradient = tensors.input("gradient", DType.F32, 1, count, gradients);
                Tensor rates = tensors.vector("rates", DType.F32, 1e-3, 10, 20);
                Tensor clips = tensors.vector("clip", DType.F32, clip);
                Tensor random = tensors.input("random", 1, 2, 3);
                tensors.run(device -> {
                    for (int i = 0; i < 2; i++) {
                        AdamW.step(
                                device,
                                new WeightUpdate(
                                        new WeightUpdate.Parameters(
                                                parameter[i].address(), i == 0 ? master.address() : 0, DType.BF16),
                                        new WeightUpdate.Inputs(gradient.address(), rates.address(), clips.address()),
                                        count,
                                        i == 0 ? Rounding.NEAREST : Rounding.stochastic(random.address(), 0)),
                                new AdamW.Moments(m[i].address(), v[i].address(), DType.F32),
                                options);
                    }
                });
                Expect.exactly("m", m[1].values(), m[0].values());
                Expect.exactly("v", v[1].values(), v[0].values());
                double[] exact = master.values();
                double[] rounded = parameter[1].values();
                for (int i = 0; i < count; i++) {
                    float down = truncated((float) exact[i]);
                    float up = Float.intBitsToFloat(Float.floatToRawIntBits(down) + 0x10000);
                    assertThat(rounded[i]).isIn((double) down, (double) up);
                }
                if (Float.isNaN(clip)) {
                    Expect.exactly("parameter of no step", parameter[1].values(), stored);
                }
            }
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            boolean bf16 = on.dtype() == DType.BF16;
            double[] ones = new double[8];
            Arrays.fill(ones, 1);
            Tensor parameter = tensors.updated("parameter", on.dtype(), 1, 8, ones);
            Tensor master = tensors.updated("master", DType.F32, 1, 8, ones);
            Tensor m = tensors.updated("m", DType.F32, 1, 8, ones);
            Tensor v = tensors.updated("v", DType.F32, 1, 8, ones);
            Tensor gradient = tensors.input("gradient", DType.F32, 1, 8, ones);
            Tensor rates = tensors.vector("rates", DType.F32, 1e-3, 1, 1);
            Tensor random = tensors.input("random", 1, 2, 3);
            Refusals refusals = new Refusals(tensors, "adamw").size("first", 8, -8, 4, 9);
            if (bf16) {
                refusals.size("master", 0, master.address()).size("random", random.address(), random.address() + 2);
            } else {
                refusals.size("master", 0).size("random", 0, random.address());
            }
            refusals.check((device, a) -> AdamW.step(
                    device,
                    new WeightUpdate(
                            new WeightUpdate.Parameters(parameter.address(), a.get("master"), on.dtype()),
                            new WeightUpdate.Inputs(gradient.address(), rates.address(), 0),
                            8,
                            new Rounding(a.get("random"), a.get("first"))),
                    new AdamW.Moments(m.address(), v.address(), DType.F32),
                    AdamWOptions.DEFAULT));
        }
    }
}
