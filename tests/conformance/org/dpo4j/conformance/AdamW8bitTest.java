package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.AdamW8bit;
import org.dpo4j.kernels.decoder.AdamWOptions;
import org.dpo4j.kernels.decoder.WeightUpdate;
import org.dpo4j.kernels.decoder.WeightUpdate.Rounding;
import org.dpo4j.testkit.Bounded;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.ReferenceDynamicMap;
import org.dpo4j.testkit.ReferencePhilox;
import org.junit.jupiter.api.Tag;

class AdamW8bitTest {
    private static final AdamWOptions OPTIONS = new AdamWOptions(0.9, 0.999, 1e-8, 0.1);
    private static final double LR = 0x1p-10;
    private static final int BLOCK = AdamW8bit.BLOCK;
    private static final int CODES_PER_WORD = 4;

    /** Parameter, codes of m and v, maxima of m and v. */
    private record State(double[] parameter, int[] m, int[] v, double[] mMax, double[] vMax) {
        static State first(double[] parameter) {
            int blocks = (int) AdamW8bit.blocks(parameter.length);
            return new State(
                    parameter,
                    new int[parameter.length],
                    new int[parameter.length],
                    new double[blocks],
                    new double[blocks]);
        }

        int count() {
            return parameter.length;
        }
    }

    private record Step(int t, double lr, double clip, double[] gradient, double weightDecay) {
        double[] rates() {
            return new double[] {lr, 1 / (1 - Math.pow(OPTIONS.beta1(), t)), 1 / (1 - Math.pow(OPTIONS.beta2(), t))};
        }
    }

    /** Four codes in a word, the first in its low byte. */
    private static int[] packed(int[] codes) {
        int[] words = new int[(codes.length + CODES_PER_WORD - 1) / CODES_PER_WORD];
        for (int i = 0; i < codes.length; i++) {
            words[i / CODES_PER_WORD] |= codes[i] << 8 * (i % CODES_PER_WORD);
        }
        return words;
    }

    private static int[] unpacked(double[] words, int count) {
        return IntStream.range(0, count)
                .map(i -> (int) words[i / CODES_PER_WORD] >>> 8 * (i % CODES_PER_WORD) & 0xFF)
                .toArray();
    }

    private static State run(On on, State before, Step step, boolean hasMaster, boolean isStochastic) {
        int count = before.count();
        try (Tensors tensors = new Tensors(on)) {
            Tensor parameter = tensors.updated("parameter", on.dtype(), 1, count, before.parameter);
            Tensor master = tensors.updated("master", DType.F32, 1, count, before.parameter);
            int[] mWords = packed(before.m);
            int[] vWords = packed(before.v);
            Tensor m = tensors.updatedInts("m", 1, mWords.length, mWords.length, mWords);
            Tensor v = tensors.updatedInts("v", 1, vWords.length, vWords.length, vWords);
            Tensor mMax = tensors.updated("m_max", DType.F32, 1, before.mMax.length, before.mMax);
            Tensor vMax = tensors.updated("v_max", DType.F32, 1, before.vMax.length, before.vMax);
            Tensor gradient = tensors.input("gradient", DType.F32, 1, count, step.gradient);
            Tensor rates = tensors.vector("rates", DType.F32, step.rates());
            Tensor clip = tensors.vector("clip", DType.F32, step.clip);
            Tensor random = tensors.input("random", 1, 2, 3);
            WeightUpdate update = new WeightUpdate(
                    new WeightUpdate.Parameters(parameter.address(), hasMaster ? master.address() : 0, on.dtype()),
                    new WeightUpdate.Inputs(gradient.address(), rates.address(), clip.address()),
                    count,
                    isStochastic ? Rounding.stochastic(random.address(), 0) : Rounding.NEAREST);
            AdamW8bit.Moments moments = new AdamW8bit.Moments(m.address(), v.address(), mMax.address(), vMax.address());
            AdamWOptions options =
                    new AdamWOptions(OPTIONS.beta1(), OPTIONS.beta2(), OPTIONS.epsilon(), step.weightDecay);
            tensors.run(device -> AdamW8bit.step(device, update, moments, options));
            return new State(
                    hasMaster ? master.values() : parameter.values(),
                    unpacked(m.values(), count),
                    unpacked(v.values(), count),
                    mMax.values(),
                    vMax.values());
        }
    }

    private static Bounded[] decoded(int[] codes, double[] max, double[] map) {
        return IntStream.range(0, codes.length)
                .mapToObj(i -> Bounded.rounded(map[codes[i]]).times(Bounded.exact(max[i / BLOCK])))
                .toArray(Bounded[]::new);
    }

    private static Bounded mixed(Bounded old, double beta, Bounded added) {
        Bounded share = Bounded.rounded(1 - beta);
        return old.minus(share.times(old)).plus(share.times(added));
    }

    /** Compares a step with the formula, computed from the device's state before it. */
    private static void check(State before, Step step, State after) {
        double[] signed = ReferenceDynamicMap.values(true);
        double[] unsigned = ReferenceDynamicMap.values(false);
        Bounded[] m = decoded(before.m, before.mMax, signed);
        Bounded[] v = decoded(before.v, before.vMax, unsigned);
        double[] expected = new double[before.count()];
        double[] allowed = new double[before.count()];
        Bounded lr = Bounded.rounded(step.lr);
        for (int i = 0; i < before.count(); i++) {
            Bounded g = Bounded.exact(step.clip).times(Bounded.exact(step.gradient[i]));
            m[i] = mixed(m[i], OPTIONS.beta1(), g);
            v[i] = mixed(v[i], OPTIONS.beta2(), g.times(g));
            Bounded root = Bounded.rounded(step.rates()[2]).times(v[i]).root();
            Bounded update = lr.times(Bounded.rounded(step.rates()[1]))
                    .times(m[i])
                    .dividedBy(root.plus(Bounded.rounded(OPTIONS.epsilon())));
            Bounded old = Bounded.exact(before.parameter[i]);
            Bounded decay = lr.times(Bounded.rounded(step.weightDecay)).times(old);
            Bounded parameter = old.minus(decay.plus(update));
            expected[i] = parameter.value();
            allowed[i] = parameter.error();
        }
        Expect.near("step " + step.t + " parameter", after.parameter, expected, i -> allowed[i]);
        checkStored("m", m, signed, after.m, after.mMax);
        checkStored("v", v, unsigned, after.v, after.vMax);
    }

    /** The maximum of each block, and a code that no other code is nearer than, up to the error of the moment. */
    private static void checkStored(String what, Bounded[] exact, double[] map, int[] codes, double[] max) {
        for (int block = 0; block < max.length; block++) {
            int begin = block * BLOCK;
            int end = Math.min(exact.length, begin + BLOCK);
            double largest = 0;
            double error = 0;
            for (int i = begin; i < end; i++) {
                largest = Math.max(largest, Math.abs(exact[i].value()));
                error = Math.max(error, exact[i].error());
            }
            assertThat(Math.abs(max[block] - largest)).as("%s max", what).isLessThanOrEqualTo(error);
            for (int i = begin; i < end; i++) {
                double relative = max[block] == 0 ? 0 : exact[i].value() / max[block];
                double nearest = Arrays.stream(map)
                        .map(x -> Math.abs(x - relative))
                        .min()
                        .orElseThrow();
                // of the moment, of the quotient, and of both neighbours' middle
                double slack = max[block] == 0 ? 0 : 2 * exact[i].error() / max[block] + 0x1p-22 * Math.abs(relative);
                assertThat(Math.abs(map[codes[i]] - relative))
                        .as("%s [%d]: code %d for %s", what, i, codes[i], relative)
                        .isLessThanOrEqualTo(nearest + 2 * slack);
            }
        }
    }

    private static double[] floats(double[] values) {
        return Arrays.stream(values).map(x -> (float) x).toArray();
    }

    /** Gradients of all magnitudes, one of them 0. */
    private static double[] gradients(Draw draw, int count) {
        double[] gradient = floats(draw.normal(count, 1));
        Arrays.setAll(gradient, i -> i % 7 == 3 ? 0 : Math.scalb(gradient[i], -(i % 20)));
        return gradient;
    }

    @OnEachDType
    @Tag("small")
    void steps(On on) {
        for (int count : new int[] {1, 8, 255, 256, 1003}) {
            Draw draw = new Draw(count);
            State state = State.first(Arrays.stream(draw.uniform(count, 0, 64))
                    .map(x -> Math.rint(x) / 64)
                    .toArray());
            for (int t = 1; t <= 3; t++) {
                Step step = new Step(t, LR, t == 2 ? 0.5 : 1, gradients(draw, count), 0.1);
                State after = run(on, state, step, true, false);
                check(state, step, after);
                state = after;
            }
        }
    }

    /** Gradients of 0 leave moments of 0, whose codes and maxima stay finite. */
    @OnEachDType
    @Tag("small")
    void momentsOfZeroStayZero(On on) {
        State before = State.first(new double[300]);
        Step step = new Step(1, LR, 1, new double[300], 0);
        State after = run(on, before, step, true, false);
        check(before, step, after);
        check(after, step, run(on, after, step, true, false));
        assertThat(after.mMax).containsOnly(0);
    }

    /** Steps of bf16 weights without master weights: 8 bytes a parameter. */
    @OnEachBf16Device
    @Tag("small")
    void roundsByTheRandomBitsOfTheReference(On on) {
        int count = 1003;
        Draw draw = new Draw(3);
        State before = State.first(Arrays.stream(draw.uniform(count, 0, 64))
                .map(x -> Math.rint(x) / 64)
                .toArray());
        for (int t = 1; t <= 3; t++) {
            Step step = new Step(t, LR, 1, gradients(draw, count), 0.1);
            State exact = run(on, before, step, true, false);
            State rounded = run(on, before, step, false, true);
            check(before, step, exact);
            double[] expected = new double[count];
            Arrays.setAll(
                    expected,
                    i -> ReferencePhilox.rounded(
                            (float) exact.parameter[i], ReferencePhilox.sixteenBits(2L << 32 | 1, 3, i)));
            Expect.exactly("parameter of step " + t, rounded.parameter, expected);
            assertThat(rounded.m).isEqualTo(exact.m);
            assertThat(rounded.v).isEqualTo(exact.v);
            before = rounded;
        }
    }

    @OnEachDType
    @Tag("small")
    void aNanClipTakesNoStep(On on) {
        State before =
                run(on, State.first(new double[300]), new Step(1, LR, 1, gradients(new Draw(1), 300), 0), true, false);
        State after = run(on, before, new Step(2, LR, Double.NaN, gradients(new Draw(2), 300), 0), true, false);
        Expect.exactly("parameter", after.parameter, before.parameter);
        assertThat(after.m).isEqualTo(before.m);
        assertThat(after.v).isEqualTo(before.v);
        Expect.exactly("m_max", after.mMax, before.mMax);
    }

    /**
     * 20 steps of bitsandbytes on the CPU, in float32. Codes are the same, because the script takes gradients whose moments
     * are never near the middle of two codes. Each step of bitsandbytes rounds the update about ten times (factor,
     * moments, root, quotient), and so does ours; its maps differ by 2 ulp, which adds as much. The weight is rounded
     * twice: 20 steps of at most 2 lr, each with an error of 24 U, and 4 U of the weight.
     */
    @OnEachDevice
    @Tag("small")
    void golden(On on) {
        JsonNode golden = GoldenGradients.cases("adamw_8bit").get(0);
        int count = golden.get("count").asInt();
        double lr = golden.get("lr").asDouble();
        State state = State.first(GoldenGradients.initial(count));
        double weightDecay = GoldenGradients.option(golden, "weight_decay", 0);
        for (int t = 1; t <= GoldenGradients.STEPS; t++) {
            double[] gradient = GoldenGradients.gradient(golden, t - 1);
            state = run(on, state, new Step(t, lr, 1, gradient, weightDecay), false, false);
            JsonNode parameter = golden.get("steps").get(Integer.toString(t));
            if (parameter != null) {
                int steps = t;
                double[] expected = Golden.numbers(parameter);
                Expect.near(
                        "step " + t,
                        state.parameter,
                        expected,
                        i -> steps * 0x1p-24 * (2 * lr * 24 + 4 * Math.max(0.5, Math.abs(expected[i]))));
            }
        }
        assertThat(state.m).isEqualTo(ints(golden.get("state").get("m")));
        assertThat(state.v).isEqualTo(ints(golden.get("state").get("v")));
    }

    private static int[] ints(JsonNode array) {
        return Arrays.stream(Golden.numbers(array)).mapToInt(x -> (int) x).toArray();
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            OptimizerCheck.refusals(tensors, "adamw_8bit", on)
                    .address("m", tensors.updatedInts("m", 1, 2, 2, 0, 0))
                    .address("v", tensors.updatedInts("v", 1, 2, 2, 0, 0))
                    .address("m_max", tensors.updated("m_max", DType.F32, 1, 1, new double[1]))
                    .address("v_max", tensors.updated("v_max", DType.F32, 1, 1, new double[1]))
                    .number("beta1", 0.9f, -0.1f, 1, Float.NaN)
                    .number("beta2", 0.99f, -0.1f, 1, Float.NaN)
                    .number("epsilon", 1e-8f, -1e-8f, Float.NaN)
                    .number("weight_decay", 0.1f, -0.1f, Float.POSITIVE_INFINITY)
                    .check((device, a) -> AdamW8bit.step(
                            device,
                            OptimizerCheck.update(a),
                            new AdamW8bit.Moments(a.get("m"), a.get("v"), a.get("m_max"), a.get("v_max")),
                            new AdamWOptions(
                                    a.number("beta1"),
                                    a.number("beta2"),
                                    a.number("epsilon"),
                                    a.number("weight_decay"))));
        }
    }
}
