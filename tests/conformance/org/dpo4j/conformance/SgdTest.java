package org.dpo4j.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Sgd;
import org.dpo4j.kernels.decoder.WeightUpdate;
import org.dpo4j.testkit.Bounded;
import org.dpo4j.testkit.ReferenceSgd;
import org.junit.jupiter.api.Tag;

class SgdTest {
    private record Rule(double momentum, double dampening, double weightDecay, boolean nesterov)
            implements OptimizerCheck.Rule {
        @Override
        public int states() {
            return momentum > 0 ? 1 : 0;
        }

        @Override
        public double[] rates(int t, double lr) {
            return new double[] {lr};
        }

        @Override
        public void step(Device device, WeightUpdate update, long[] states, long steps) {
            Sgd.step(
                    device,
                    update,
                    momentum > 0 ? states[0] : 0,
                    steps,
                    new Sgd.Options(momentum, dampening, weightDecay, nesterov));
        }

        @Override
        public void expect(int t, double lr, Bounded gradient, Bounded[] element) {
            ReferenceSgd reference = new ReferenceSgd(element[0]);
            if (momentum > 0) {
                reference.velocity = element[1];
            }
            reference.step(gradient, lr, t == 1 ? 1 : 1 - dampening, momentum, weightDecay, nesterov);
            element[0] = reference.parameter;
            if (momentum > 0) {
                element[1] = reference.velocity;
            }
        }
    }

    private static final List<Rule> RULES = List.of(
            new Rule(0, 0, 0, false),
            new Rule(0, 0, 0.1, false),
            new Rule(0.9, 0.1, 0.1, false),
            new Rule(0.9, 0, 0, true));

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
        for (JsonNode golden : GoldenGradients.cases("sgd")) {
            Rule rule = new Rule(
                    GoldenGradients.option(golden, "momentum", 0),
                    GoldenGradients.option(golden, "dampening", 0),
                    GoldenGradients.option(golden, "weight_decay", 0),
                    golden.get("options").has("nesterov"));
            OptimizerCheck.golden(on, rule, golden, 0);
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor velocity = tensors.updated("velocity", DType.F32, 1, 8, new double[8]);
            Tensor steps = tensors.input("steps", 1);
            OptimizerCheck.refusals(tensors, "sgd", on)
                    .address("velocity", velocity)
                    .indices("steps", steps)
                    .number("momentum", 0.9f, -0.1f, Float.NaN)
                    .number("dampening", 0.1f, 1.1f, Float.NaN)
                    .number("weight_decay", 0.1f, -0.1f, Float.POSITIVE_INFINITY)
                    .check((device, a) -> Sgd.step(
                            device,
                            OptimizerCheck.update(a),
                            a.get("velocity"),
                            a.get("steps"),
                            new Sgd.Options(
                                    a.number("momentum"), a.number("dampening"), a.number("weight_decay"), true)));
            OptimizerCheck.refusals(tensors, "sgd", on)
                    .size("velocity", 0, velocity.address())
                    .size("nesterov", 0, 1)
                    .check((device, a) -> Sgd.step(
                            device,
                            OptimizerCheck.update(a),
                            a.get("velocity"),
                            0,
                            new Sgd.Options(0, 0, 0, a.get("nesterov") != 0)));
        }
    }
}
