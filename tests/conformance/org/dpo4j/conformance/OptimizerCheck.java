package org.dpo4j.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.WeightUpdate;
import org.dpo4j.testkit.Bfloat16;
import org.dpo4j.testkit.Bounded;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.ReferencePhilox;

/** Compares an optimizer whose state is f32 arrays with its reference. */
final class OptimizerCheck {
    private static final long SEED = 0x299f31d0a4093822L;
    private static final int STEP = 5;
    private static final long FIRST = (1L << 40) + 16;

    private OptimizerCheck() {}

    /** An optimizer with its options. */
    interface Rule {
        /** Number of arrays of the state. */
        int states();

        /** The rates of step {@code t}, counted from 1. */
        double[] rates(int t, double lr);

        /** {@code steps}: address of the number of applied steps, this one included. */
        void step(Device device, WeightUpdate update, long[] states, long steps);

        /** Updates the parameter and the state of one element: {@code element} is {parameter, state...}. */
        void expect(int t, double lr, Bounded gradient, Bounded[] element);
    }

    /** Where the exact weights are. */
    private enum Exact {
        PARAMETER,
        MASTER,
        ROUNDED_STOCHASTICALLY
    }

    private record Step(int t, double lr, double clip, double[] gradient) {}

    /** Runs a step on {parameter or master, state...}, and returns them after it. */
    private static double[][] run(On on, Rule rule, double[][] before, Step step, Exact exact) {
        int count = before[0].length;
        try (Tensors tensors = new Tensors(on)) {
            Tensor parameter = tensors.updated("parameter", on.dtype(), 1, count, before[0]);
            Tensor master = tensors.updated("master", DType.F32, 1, count, before[0]);
            Tensor[] states = Arrays.stream(before)
                    .skip(1)
                    .map(values -> tensors.updated("state", DType.F32, 1, count, values))
                    .toArray(Tensor[]::new);
            Tensor gradient = tensors.input("gradient", DType.F32, 1, count, step.gradient);
            Tensor rates = tensors.vector("rates", DType.F32, rule.rates(step.t, step.lr));
            Tensor clip = tensors.vector("clip", DType.F32, step.clip);
            Tensor random = tensors.input("random", (int) SEED, (int) (SEED >>> 32), STEP);
            WeightUpdate update = new WeightUpdate(
                    new WeightUpdate.Parameters(
                            parameter.address(), exact == Exact.MASTER ? master.address() : 0, on.dtype()),
                    new WeightUpdate.Inputs(gradient.address(), rates.address(), clip.address()),
                    count,
                    exact == Exact.ROUNDED_STOCHASTICALLY
                            ? WeightUpdate.Rounding.stochastic(random.address(), FIRST)
                            : WeightUpdate.Rounding.NEAREST);
            long[] addresses = Stream.of(states).mapToLong(Tensor::address).toArray();
            Tensor steps = tensors.input("steps", step.t);
            tensors.run(device -> rule.step(device, update, addresses, steps.address()));
            if (exact == Exact.MASTER && !Double.isNaN(step.clip)) {
                Expect.exactly("parameter as its master", parameter.values(), stored(on.dtype(), master.values()));
            }
            double[][] after = new double[before.length][];
            after[0] = exact == Exact.MASTER ? master.values() : parameter.values();
            Arrays.setAll(after, i -> i == 0 ? after[0] : states[i - 1].values());
            return after;
        }
    }

    private static double[] stored(DType dtype, double[] values) {
        return Arrays.stream(values)
                .map(x -> dtype == DType.F32 ? (float) x : Bfloat16.rounded((float) x))
                .toArray();
    }

    /** Compares each of three steps with the reference, which starts from the device's state before the step. */
    static void steps(On on, Rule rule) {
        for (int count : new int[] {1, 3, 8, 31, 1001}) {
            steps(on, rule, count, Exact.MASTER);
            if (on.dtype() == DType.F32) {
                steps(on, rule, count, Exact.PARAMETER);
            } else {
                roundsByTheRandomBitsOfTheReference(on, rule, count);
            }
        }
    }

    private static double[][] zeros(Rule rule, double[] parameter) {
        double[][] all = new double[1 + rule.states()][parameter.length];
        all[0] = parameter;
        return all;
    }

    private static Step drawn(Draw draw, int t, int count) {
        double[] gradient = draw.uniform(count, 0.25, 1);
        double[] signs = draw.uniform(count, -1, 1);
        Arrays.setAll(gradient, i -> (float) (Math.signum(signs[i]) * gradient[i]));
        return new Step(t, 0x1p-7, t % 2 == 0 ? 0.5 : 1, gradient);
    }

    private static void steps(On on, Rule rule, int count, Exact exact) {
        Draw draw = new Draw(count);
        double[][] state = zeros(rule, stored(on.dtype(), draw.uniform(count, 0.5f, 1)));
        for (int t = 1; t <= 3; t++) {
            Step step = drawn(draw, t, count);
            double[][] after = run(on, rule, state, step, exact);
            Bounded[][] expected = new Bounded[count][];
            for (int i = 0; i < count; i++) {
                int at = i;
                double[][] before = state;
                expected[i] = Arrays.stream(before)
                        .map(array -> Bounded.exact(array[at]))
                        .toArray(Bounded[]::new);
                Bounded gradient = Bounded.exact(step.clip).times(Bounded.exact(step.gradient[i]));
                rule.expect(t, step.lr, gradient, expected[i]);
            }
            check("step " + t, after, expected);
            state = after;
        }
    }

    private static void check(String step, double[][] found, Bounded[][] expected) {
        for (int k = 0; k < found.length; k++) {
            int which = k;
            double[] values =
                    Arrays.stream(expected).mapToDouble(e -> e[which].value()).toArray();
            String what = step + (k == 0 ? " parameter" : " state " + k);
            Expect.near(what, found[k], values, i -> expected[i][which].error());
        }
    }

    private static void roundsByTheRandomBitsOfTheReference(On on, Rule rule, int count) {
        Draw draw = new Draw(count);
        double[][] before = zeros(rule, stored(on.dtype(), draw.uniform(count, 0.5f, 1)));
        Step step = drawn(draw, 1, count);
        double[][] exact = run(on, rule, before, step, Exact.MASTER);
        double[][] rounded = run(on, rule, before, step, Exact.ROUNDED_STOCHASTICALLY);
        double[] expected = new double[count];
        Arrays.setAll(
                expected,
                i -> ReferencePhilox.rounded((float) exact[0][i], ReferencePhilox.sixteenBits(SEED, STEP, FIRST + i)));
        Expect.exactly("rounded parameter", rounded[0], expected);
        for (int k = 1; k < exact.length; k++) {
            Expect.exactly("state " + k, rounded[k], exact[k]);
        }
    }

    /** If a gradient was not finite, the clip factor is NaN, and nothing changes. */
    static void aNanClipTakesNoStep(On on, Rule rule) {
        Draw draw = new Draw(37);
        double[][] before = new double[1 + rule.states()][];
        Arrays.setAll(before, i -> stored(DType.BF16, draw.uniform(37, 0, 1)));
        Step step = new Step(2, 1e-2, Double.NaN, draw.normal(37, 1));
        double[][] after = run(on, rule, before, step, Exact.MASTER);
        for (int k = 0; k < before.length; k++) {
            Expect.exactly("array " + k, after[k], before[k]);
        }
    }

    /** 20 steps beside PyTorch's or bitsandbytes', whose results are {@code ofPeer} from the exact ones, in shares of the bound. */
    static void golden(On on, Rule rule, JsonNode golden, double ofPeer) {
        int count = golden.get("count").asInt();
        double lr = golden.get("lr").asDouble();
        double[] initial = GoldenGradients.initial(count);
        double[][] state = zeros(rule, initial);
        Bounded[][] expected = new Bounded[count][];
        Arrays.setAll(
                expected,
                i -> Arrays.stream(zeros(rule, new double[] {initial[i]}))
                        .map(array -> Bounded.exact(array[0]))
                        .toArray(Bounded[]::new));
        for (int t = 1; t <= GoldenGradients.STEPS; t++) {
            double[] gradient = GoldenGradients.gradient(golden, t - 1);
            state = run(on, rule, state, new Step(t, lr, 1, gradient), Exact.PARAMETER);
            for (int i = 0; i < count; i++) {
                rule.expect(t, lr, Bounded.exact(gradient[i]), expected[i]);
            }
            check("step " + t, state, expected);
            JsonNode parameter = golden.get("steps").get(Integer.toString(t));
            if (parameter != null) {
                Expect.near(
                        golden.get("optimizer") + " " + golden.get("options") + " step " + t,
                        state[0],
                        Golden.numbers(parameter),
                        i -> (1 + ofPeer) * expected[i][0].error());
            }
        }
    }

    /** The arguments that all optimizers share. The caller adds those of the state, and options. */
    static Refusals refusals(Tensors tensors, String operation, On on) {
        double[] ones = new double[8];
        Arrays.fill(ones, 1);
        Tensor master = tensors.updated("master", DType.F32, 1, 8, ones);
        return new Refusals(tensors, operation)
                .address("parameter", tensors.updated("parameter", on.dtype(), 1, 8, ones))
                .size(
                        "master",
                        master.address(),
                        LongStream.of(on.dtype() == DType.BF16 ? 0 : master.address() + 4)
                                .toArray())
                .address("gradient", tensors.input("gradient", DType.F32, 1, 8, ones))
                .address("rates", tensors.vector("rates", DType.F32, 1e-3, 1, 1))
                .size("clip", 0, 2)
                .size("count", 8, -1)
                .size("first", 8, -8, 4)
                .dtype("dtype", on);
    }

    static WeightUpdate update(Refusals.Arguments a) {
        return new WeightUpdate(
                new WeightUpdate.Parameters(a.get("parameter"), a.get("master"), a.dtype("dtype")),
                new WeightUpdate.Inputs(a.get("gradient"), a.get("rates"), a.get("clip")),
                a.get("count"),
                new WeightUpdate.Rounding(0, a.get("first")));
    }
}
