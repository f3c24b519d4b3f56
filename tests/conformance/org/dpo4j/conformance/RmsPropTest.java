package org.dpo4j.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.RmsProp;
import org.dpo4j.kernels.decoder.WeightUpdate;
import org.dpo4j.testkit.Bounded;
import org.dpo4j.testkit.ReferenceRmsProp;
import org.junit.jupiter.api.Tag;

class RmsPropTest {
    /** State: square, then mean if centered, then velocity if there is a momentum. */
    private record Rule(ReferenceRmsProp.Options options) implements OptimizerCheck.Rule {
        private boolean hasVelocity() {
            return options.momentum() > 0;
        }

        @Override
        public int states() {
            return 1 + (options.centered() ? 1 : 0) + (hasVelocity() ? 1 : 0);
        }

        @Override
        public double[] rates(int t, double lr) {
            return new double[] {lr};
        }

        @Override
        public void step(Device device, WeightUpdate update, long[] states, long steps) {
            RmsProp.step(
                    device,
                    update,
                    new RmsProp.State(
                            states[0],
                            options.centered() ? states[1] : 0,
                            hasVelocity() ? states[states.length - 1] : 0),
                    new RmsProp.Options(options.alpha(), options.eps(), options.momentum(), options.weightDecay()));
        }

        @Override
        public void expect(int t, double lr, Bounded gradient, Bounded[] element) {
            ReferenceRmsProp reference = new ReferenceRmsProp(element[0]);
            reference.square = element[1];
            if (options.centered()) {
                reference.mean = element[2];
            }
            if (hasVelocity()) {
                reference.velocity = element[element.length - 1];
            }
            reference.step(gradient, lr, options);
            element[0] = reference.parameter;
            element[1] = reference.square;
            if (options.centered()) {
                element[2] = reference.mean;
            }
            if (hasVelocity()) {
                element[element.length - 1] = reference.velocity;
            }
        }
    }

    private static Rule rule(double alpha, double eps, double momentum, double weightDecay, boolean centered) {
        return new Rule(new ReferenceRmsProp.Options(alpha, eps, momentum, weightDecay, centered));
    }

    private static final List<Rule> RULES = List.of(
            rule(0.99, 1e-8, 0, 0, false),
            rule(0.9, 1e-6, 0.9, 0.1, false),
            rule(0.9, 1e-8, 0, 0, true),
            rule(0.5, 1e-8, 0.5, 0, true));

    @OnEachDType
    @Tag("small")
    void steps(On on) {
        RULES.forEach(rule -> OptimizerCheck.steps(on, rule));
    }

    @OnEachDType
    @Tag("small")
    void aNanClipTakesNoStep(On on) {
        RULES.forEach(rule -> OptimizerCheck.aNanClipTakesNoStep(on, rule));
    }

    /** PyTorch computes in float64. */
    @OnEachDevice
    @Tag("small")
    void golden(On on) {
        for (JsonNode golden : GoldenGradients.cases("rmsprop")) {
            Rule rule = rule(
                    GoldenGradients.option(golden, "alpha", 0.99),
                    GoldenGradients.option(golden, "eps", 1e-8),
                    GoldenGradients.option(golden, "momentum", 0),
                    GoldenGradients.option(golden, "weight_decay", 0),
                    golden.get("options").has("centered"));
            OptimizerCheck.golden(on, rule, golden, 0);
        }
    }

    /** Equal gradients have variance 0, which rounding may make negative. */
    @OnEachDevice
    @Tag("small")
    void aNegativeVarianceCountsAsZero(On on) {
        double[] values = new double[64];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (1 + 0.01 * i);
        }
        try (Tensors tensors = new Tensors(on)) {
            Tensor parameter = tensors.updated("parameter", DType.F32, 1, values.length, values);
            Tensor square = tensors.updated("square", DType.F32, 1, values.length, new double[values.length]);
            Tensor mean = tensors.updated("mean", DType.F32, 1, values.length, values);
            Tensor gradient = tensors.input("gradient", DType.F32, 1, values.length, values);
            Tensor rates = tensors.vector("rates", DType.F32, 0x1p-20);
            tensors.run(device -> RmsProp.step(
                    device,
                    new WeightUpdate(
                            new WeightUpdate.Parameters(parameter.address(), 0, DType.F32),
                            new WeightUpdate.Inputs(gradient.address(), rates.address(), 0),
                            values.length,
                            WeightUpdate.Rounding.NEAREST),
                    new RmsProp.State(square.address(), mean.address(), 0),
                    new RmsProp.Options(0.5, 1, 0, 0)));
            // variance 0.5 g^2 - g^2 is below 0, so the step is lr g / (0 + 1); two roundings
            double[] expected = new double[values.length];
            Arrays.setAll(expected, i -> values[i] * (1 - 0x1p-20));
            Expect.near("parameter", parameter.values(), expected, i -> 0x1p-23 * expected[i]);
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            OptimizerCheck.refusals(tensors, "rmsprop", on)
                    .address("square", tensors.updated("square", DType.F32, 1, 8, new double[8]))
                    .addressOrNull("mean", tensors.updated("mean", DType.F32, 1, 8, new double[8]))
                    .address("velocity", tensors.updated("velocity", DType.F32, 1, 8, new double[8]))
                    .number("alpha", 0.99f, -0.1f, 1, Float.NaN)
                    .number("epsilon", 1e-8f, -1, Float.NaN)
                    .number("momentum", 0.9f, -0.1f, Float.NaN)
                    .number("weight_decay", 0.1f, -0.1f, Float.POSITIVE_INFINITY)
                    .check((device, a) -> RmsProp.step(
                            device,
                            OptimizerCheck.update(a),
                            new RmsProp.State(a.get("square"), a.get("mean"), a.get("velocity")),
                            new RmsProp.Options(
                                    a.number("alpha"),
                                    a.number("epsilon"),
                                    a.number("momentum"),
                                    a.number("weight_decay"))));
        }
    }
}
