package org.dpo4j.conformance;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.Residual;
import org.dpo4j.testkit.Bfloat16;
import org.dpo4j.testkit.Draw;
import org.junit.jupiter.api.Tag;

class ResidualTest {

    @OnEachDType
    @Tag("small")
    void forward(On on) {
        for (int count : new int[] {1, 3, 4, 7, 8, 31, 32, 1000, 4099, 0}) {
            add(on, count);
        }
    }

    @OnEachDType
    void forwardOfManyElements(On on) {
        add(on, 300_007);
    }

    /**
     * One fp32 addition and one rounding to the storage have only one right result. Out is a tensor of its own, a, or
     * b.
     */
    private static void add(On on, int count) {
        Draw draw = new Draw(count);
        double[] first = draw.normal(count, 3);
        double[] second = draw.normal(count, 3);
        try (Tensors tensors = new Tensors(on)) {
            Tensor out = tensors.output("out", on.dtype(), 1, count);
            Tensor a = tensors.input("a", on.dtype(), 1, count, first);
            Tensor b = tensors.input("b", on.dtype(), 1, count, second);
            Tensor overA = tensors.updated("a", on.dtype(), 1, count, first);
            Tensor overB = tensors.updated("b", on.dtype(), 1, count, second);
            tensors.run(device -> {
                Residual.forward(device, out.address(), a.address(), b.address(), count, on.dtype());
                Residual.forward(device, overA.address(), overA.address(), b.address(), count, on.dtype());
                Residual.forward(device, overB.address(), a.address(), overB.address(), count, on.dtype());
            });
            double[] expected = new double[count];
            double[] x = a.values();
            double[] y = b.values();
            for (int i = 0; i < count; i++) {
                float sum = (float) x[i] + (float) y[i];
                expected[i] = on.dtype() == DType.BF16 ? Bfloat16.rounded(sum) : sum;
            }
            Expect.exactly("residual of " + count, out.values(), expected);
            Expect.sameBits("in place of a", overA.bits(), out.bits());
            Expect.sameBits("in place of b", overB.bits(), out.bits());
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor out = tensors.output("out", on.dtype(), 1, 8);
            Tensor a = tensors.input("a", on.dtype(), 1, 8, new Draw(1).normal(8, 1));
            Tensor b = tensors.input("b", on.dtype(), 1, 8, new Draw(2).normal(8, 1));
            new Refusals(tensors, "residual_forward")
                    .address("out", out)
                    .address("a", a)
                    .address("b", b)
                    .size("count", 8, -1)
                    .dtype("dtype", on)
                    .check((device, values) -> Residual.forward(
                            device,
                            values.get("out"),
                            values.get("a"),
                            values.get("b"),
                            values.get("count"),
                            values.dtype("dtype")));
        }
    }
}
