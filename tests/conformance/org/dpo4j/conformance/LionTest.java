package org.dpo4j.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Lion;
import org.dpo4j.kernels.decoder.WeightUpdate;
import org.dpo4j.testkit.Bounded;
import org.dpo4j.testkit.ReferenceLion;
import org.junit.jupiter.api.Tag;

class LionTest {
    private record Rule(double beta1, double beta2, double weightDecay) implements OptimizerCheck.Rule {
        @Override
        public int states() {
            return 1;
        }

        @Override
        public double[] rates(int t, double lr) {
            return new double[] {lr};
        }

        @Override
        public void step(Device device, WeightUpdate update, long[] states, long steps) {
            Lion.step(device, update, states[0], new Lion.Options(beta1, beta2, weightDecay));
        }

        @Override
        public void expect(int t, double lr, Bounded gradient, Bounded[] element) {
            ReferenceLion reference = new ReferenceLion(element[0]);
            reference.m = element[1];
            reference.step(gradient, lr, beta1, beta2, weightDecay);
            element[0] = reference.parameter;
            element[1] = reference.m;
        }
    }

    private static final List<Rule> RULES = List.of(new Rule(0.9, 0.99, 0), new Rule(0.5, 0.98, 0.1));

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

    /**
     * bitsandbytes computes in float32, with at most two more roundings per step than the bound counts: its weight is
     * the product with 1 - lr decay. So its distance from the exact result is at most twice the bound.
     */
    @OnEachDevice
    @Tag("small")
    void golden(On on) {
        for (JsonNode golden : GoldenGradients.cases("lion")) {
            JsonNode betas = golden.get("options").get("betas");
            Rule rule = new Rule(
                    betas.get(0).asDouble(),
                    betas.get(1).asDouble(),
                    GoldenGradients.option(golden, "weight_decay", 0));
            OptimizerCheck.golden(on, rule, golden, 2);
        }
    }

    /** A gradient of 0 with a mean of 0 moves nothing. */
    @OnEachDevice
    @Tag("small")
    void theSignOfZeroIsZero(On on) {
        try (Tensors tensors = new Tensors(on)) {
            double[] weights = {1, -2, 3};
            Tensor parameter = tensors.updated("parameter", DType.F32, 1, 3, weights);
            Tensor m = tensors.updated("m", DType.F32, 1, 3, new double[3]);
            Tensor gradient = tensors.input("gradient", DType.F32, 1, 3, new double[] {0, 0, -0.0});
            Tensor rates = tensors.vector("rates", DType.F32, 1);
            tensors.run(device -> Lion.step(
                    device,
                    new WeightUpdate(
                            new WeightUpdate.Parameters(parameter.address(), 0, DType.F32),
                            new WeightUpdate.Inputs(gradient.address(), rates.address(), 0),
                            3,
                            WeightUpdate.Rounding.NEAREST),
                    m.address(),
                    new Lion.Options(0.9, 0.99, 0)));
            Expect.exactly("parameter", parameter.values(), weights);
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            OptimizerCheck.refusals(tensors, "lion", on)
                    .address("m", tensors.updated("m", DType.F32, 1, 8, new double[8]))
                    .number("beta1", 0.9f, -0.1f, 1, Float.NaN)
                    .number("beta2", 0.99f, -0.1f, 1, Float.NaN)
                    .number("weight_decay", 0.1f, -0.1f, Float.POSITIVE_INFINITY)
                    .check((device, a) -> Lion.step(
                            device,
                            OptimizerCheck.update(a),
                            a.get("m"),
                            new Lion.Options(a.number("beta1"), a.number("beta2"), a.number("weight_decay"))));
        }
    }
}
