package org.dpo4j.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.AdamW;
import org.dpo4j.kernels.decoder.AdamWOptions;
import org.dpo4j.kernels.decoder.WeightUpdate;
import org.dpo4j.testkit.Bfloat16;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.ReferenceAdamW;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

class AdamWTest {
    private static final AdamWOptions OPTIONS = new AdamWOptions(0.9, 0.95, 1e-8, 0.1);

    /** Arrays of the optimizer between steps. With bf16 parameters, {@code parameter} has the master weights. */
    private record State(double[] parameter, double[] m, double[] v) {}

    private record Step(int t, double[] gradient, float lr, float clip, AdamWOptions options) {
        float[] rates() {
            return new float[] {
                lr, (float) (1 / (1 - Math.pow(options.beta1(), t))), (float) (1 / (1 - Math.pow(options.beta2(), t)))
            };
        }
    }

    /** One step. bf16 parameters need master weights; fp32 parameters may have them ({@code withMaster}). */
    private static State step(On on, State state, Step step, boolean withMaster, boolean withClip) {
        int count = state.parameter.length;
        try (Tensors tensors = new Tensors(on)) {
            Tensor parameter = tensors.updated("parameter", on.dtype(), 1, count, state.parameter);
            Tensor master = tensors.updated("master", DType.F32, 1, count, state.parameter);
            Tensor m = tensors.updated("m", DType.F32, 1, count, state.m);
            Tensor v = tensors.updated("v", DType.F32, 1, count, state.v);
            Tensor gradient = tensors.input("gradient", DType.F32, 1, count, step.gradient);
            float[] rateValues = step.rates();
            Tensor rates = tensors.vector("rates", DType.F32, rateValues[0], rateValues[1], rateValues[2]);
            Tensor clip = tensors.vector("clip", DType.F32, step.clip);
            tensors.run(device -> AdamW.step(
                    device,
                    new WeightUpdate(
                            new WeightUpdate.Parameters(
                                    parameter.address(), withMaster ? master.address() : 0, on.dtype()),
                            new WeightUpdate.Inputs(gradient.address(), rates.address(), withClip ? clip.address() : 0),
                            count,
                            WeightUpdate.Rounding.NEAREST),
                    new AdamW.Moments(m.address(), v.address(), DType.F32),
                    step.options));
            double[] exact = withMaster ? master.values() : parameter.values();
            if (on.dtype() == DType.BF16 && !Float.isNaN(step.clip)) {
                double[] rounded = Arrays.stream(exact)
                        .map(x -> Bfloat16.rounded((float) x))
                        .toArray();
                Expect.exactly("parameter as the rounding of its master", parameter.values(), rounded);
            } else if (withMaster && on.dtype() == DType.F32) {
                Expect.exactly("parameter as its master", parameter.values(), exact);
            }
            return new State(exact, m.values(), v.values());
        }
    }

    /** Compares a step with the reference, which starts from the device's state before the step. */
    private static void check(State before, Step step, State after) {
        int count = before.parameter.length;
        double[][] expected = new double[3][count];
        double[][] tolerance = new double[3][count];
        AdamWOptions o = step.options;
        float[] rates = step.rates();
        for (int i = 0; i < count; i++) {
            double g = (double) step.clip * (float) step.gradient[i];
            ReferenceAdamW reference = new ReferenceAdamW(before.parameter[i], before.m[i], before.v[i]);
            reference.step(step.t, g, step.lr, o.beta1(), o.beta2(), o.epsilon(), o.weightDecay());
            expected[0][i] = reference.parameter;
            expected[1][i] = reference.m;
            expected[2][i] = reference.v;
            tolerance[1][i] = Tolerance.moment(o.beta1() * before.m[i], (1 - o.beta1()) * g);
            tolerance[2][i] = Tolerance.moment(o.beta2() * before.v[i], (1 - o.beta2()) * g * g) + Float.MIN_NORMAL;
            double kept = before.parameter[i] * (1 - (double) step.lr * o.weightDecay());
            double denominator = Math.sqrt(rates[2] * reference.v) + o.epsilon();
            double slope = step.lr * rates[1] / denominator;
            double relativeOfV = reference.v == 0 ? 0 : tolerance[2][i] / reference.v;
            tolerance[0][i] =
                    Tolerance.adamw(kept, slope * reference.m, slope, tolerance[1][i], relativeOfV) + Float.MIN_NORMAL;
        }
        String what = "step " + step.t + " ";
        Expect.near(what + "parameter", after.parameter, expected[0], i -> tolerance[0][i]);
        Expect.near(what + "m", after.m, expected[1], i -> tolerance[1][i] + Float.MIN_NORMAL);
        Expect.near(what + "v", after.v, expected[2], i -> tolerance[2][i]);
    }

    private static double[] floats(double[] values) {
        return Arrays.stream(values).map(x -> (float) x).toArray();
    }

    private static void steps(On on, int count, int steps, boolean withMaster) {
        Draw draw = new Draw(count);
        State state = new State(floats(draw.normal(count, 1)), new double[count], new double[count]);
        for (int t = 1; t <= steps; t++) {
            Step step = new Step(t, draw.normal(count, Math.pow(10, 2 - t)), 1e-2f / t, t % 2 == 0 ? 0.3f : 1, OPTIONS);
            State next = step(on, state, step, withMaster, t % 2 == 0);
            check(state, step, next);
            state = next;
        }
    }

    @OnEachDType
    @Tag("small")
    void steps(On on) {
        for (int count : new int[] {1, 3, 8, 31, 64, 1001}) {
            steps(on, count, 4, true);
            if (on.dtype() == DType.F32) {
                steps(on, count, 4, false);
            }
        }
    }

    @OnEachDType
    void stepsOfManyParameters(On on) {
        steps(on, 200_003, 1, on.dtype() == DType.BF16);
    }

    /** Gradients of 0 from the first step, tiny and huge gradients, and an epsilon of 0. */
    @OnEachDType
    @Tag("small")
    void extremes(On on) {
        State state = new State(new double[] {1, -2, 0, 0.5, 3}, new double[5], new double[5]);
        double[] gradient = {0, 1e-15, 1e15, -1e-12, 1e-5};
        Step first = new Step(1, gradient, 1e-3f, 1, new AdamWOptions(0.9, 0.999, 1e-8, 0));
        check(state, first, step(on, state, first, true, true));
        Step noMemory = new Step(1, gradient, 1e-3f, 1, new AdamWOptions(0, 0, 1e-6, 0.5));
        check(state, noMemory, step(on, state, noMemory, true, true));
    }

    /** If a gradient was not finite, the clip factor is NaN, and nothing changes. */
    @OnEachDType
    @Tag("small")
    void aNanClipTakesNoStep(On on) {
        Draw draw = new Draw(1);
        State before =
                new State(floats(draw.normal(37, 1)), floats(draw.normal(37, 1)), floats(draw.uniform(37, 0, 1)));
        Step step = new Step(3, draw.normal(37, 1), 1e-2f, Float.NaN, OPTIONS);
        State after = step(on, before, step, true, true);
        Expect.exactly("parameter", after.parameter, before.parameter);
        Expect.exactly("m", after.m, before.m);
        Expect.exactly("v", after.v, before.v);
    }

    /**
     * Upper bound on the difference to torch's element after the steps so far: the sum of all fp32 roundings of all
     * steps, each at its max and with the same sign. With gradients of one sign, the bound after 50 steps is 4e-6 of
     * the total change. So the test detects 1 - 0.999 computed in f32, which makes every step 6.7e-6 too long, and 1 -
     * 0.9999, which makes it 8e-5 too short.
     */
    private static final class Carried {
        private static final double U = Tolerance.U * 1.001; // terms of second order

        final ReferenceAdamW exact;
        double parameter;
        double m;
        double v;

        Carried(double parameter) {
            exact = new ReferenceAdamW(parameter, 0, 0);
        }

        void step(Step step, double gradient, double clip) {
            AdamWOptions o = step.options;
            double g = clip * gradient;
            double ofG = clip == 1 ? 0 : 2 * U * Math.abs(g); // roundings of the factor and of the product
            double share1 = 1 - o.beta1();
            double share2 = 1 - o.beta2();
            double oldM = Math.abs(exact.m);
            double oldV = exact.v;
            double old = Math.abs(exact.parameter);
            exact.step(step.t, g, step.lr, o.beta1(), o.beta2(), o.epsilon(), o.weightDecay());
            // 1 - beta1 and 1 - beta2 are rounded, and so are each product with them, each difference and each sum.
            m = o.beta1() * m + 2 * U * share1 * oldM + U * o.beta1() * oldM;
            m += share1 * ofG + 2 * U * share1 * Math.abs(g) + U * Math.abs(exact.m);
            v = o.beta2() * v + 2 * U * share2 * oldV + U * o.beta2() * oldV;
            v += share2 * (2 * Math.abs(g) * ofG + U * g * g) + 2 * U * share2 * g * g + U * exact.v;
            double c1 = 1 / (1 - Math.pow(o.beta1(), step.t));
            double c2 = 1 / (1 - Math.pow(o.beta2(), step.t));
            double slope = step.lr * c1 / (Math.sqrt(c2 * exact.v) + o.epsilon());
            double update = slope * Math.abs(exact.m);
            // Roundings of c1, c1 lr, their product with m, the root, the sum and the quotient; and of c2 and its
            // product, whose errors the root halves.
            double ofUpdate = slope * m + update * (7 * U + (exact.v == 0 ? 0 : v / (2 * exact.v)));
            double decay = step.lr * o.weightDecay() * old;
            parameter += ofUpdate + 4 * U * decay + U * (decay + update) + U * Math.abs(exact.parameter);
        }
    }

    /** PyTorch's results in float64, after several clipped steps and after 50 steps. */
    @OnEachDevice
    @Tag("small")
    void golden(On on) {
        for (JsonNode each : Golden.read("adamw.json")) {
            AdamWOptions options = new AdamWOptions(
                    each.get("beta1").asDouble(),
                    each.get("beta2").asDouble(),
                    each.get("epsilon").asDouble(),
                    each.get("weight_decay").asDouble());
            double[] parameter = Golden.numbers(each.get("parameter"));
            State state = new State(parameter, new double[parameter.length], new double[parameter.length]);
            Carried[] carried = Arrays.stream(parameter).mapToObj(Carried::new).toArray(Carried[]::new);
            float lr = (float) each.get("lr").asDouble();
            int t = 0;
            for (JsonNode golden : each.get("steps")) {
                t++;
                double[] gradient = Golden.numbers(golden.get("gradient"));
                double clip = golden.get("clip").asDouble();
                Step step = new Step(t, gradient, lr, (float) clip, options);
                state = step(on, state, step, false, true);
                for (int i = 0; i < carried.length; i++) {
                    carried[i].step(step, gradient[i], clip);
                }
                if (golden.has("parameter")) {
                    double[] expected = Golden.numbers(golden.get("parameter"));
                    Expect.near(each.get("name") + ", step " + t, state.parameter, expected, i -> carried[i].parameter);
                }
            }
            Expect.near(each.get("name") + " m", state.m, Golden.numbers(each.get("m")), i -> carried[i].m);
            Expect.near(each.get("name") + " v", state.v, Golden.numbers(each.get("v")), i -> carried[i].v);
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Draw draw = new Draw(2);
            Tensor parameter = tensors.updated("parameter", on.dtype(), 1, 8, draw.normal(8, 1));
            Tensor master = tensors.updated("master", DType.F32, 1, 8, draw.normal(8, 1));
            Tensor m = tensors.updated("m", DType.F32, 1, 8, draw.normal(8, 1));
            Tensor v = tensors.updated("v", DType.F32, 1, 8, draw.uniform(8, 0, 1));
            Tensor gradient = tensors.input("gradient", DType.F32, 1, 8, draw.normal(8, 1));
            Tensor rates = tensors.vector("rates", DType.F32, 1e-3, 1, 1);
            Tensor clip = tensors.vector("clip", DType.F32, 1);
            long noMaster = on.dtype() == DType.BF16 ? 0 : master.address() + 4;
            new Refusals(tensors, "adamw")
                    .address("parameter", parameter)
                    .size("master", master.address(), noMaster)
                    .address("m", m)
                    .address("v", v)
                    .address("gradient", gradient)
                    .address("rates", rates)
                    .size("clip", clip.address(), clip.address() + 2)
                    .size("count", 8, -1)
                    .number("beta1", 0.9f, -0.1f, 1, Float.NaN)
                    .number("beta2", 0.99f, -0.1f, 1, Float.NaN)
                    .number("epsilon", 1e-8f, -1e-8f, Float.NaN)
                    .number("weight_decay", 0.1f, -0.1f, Float.POSITIVE_INFINITY)
                    .dtype("dtype", on)
                    .check((device, a) -> AdamW.step(
                            device,
                            new WeightUpdate(
                                    new WeightUpdate.Parameters(a.get("parameter"), a.get("master"), a.dtype("dtype")),
                                    new WeightUpdate.Inputs(a.get("gradient"), a.get("rates"), a.get("clip")),
                                    a.get("count"),
                                    WeightUpdate.Rounding.NEAREST),
                            new AdamW.Moments(a.get("m"), a.get("v"), DType.F32),
                            new AdamWOptions(
                                    a.number("beta1"),
                                    a.number("beta2"),
                                    a.number("epsilon"),
                                    a.number("weight_decay"))));
        }
    }
}
