package org.dpo4j.conformance;

import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.decoder.Swiglu;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.ReferenceSwiglu;
import org.junit.jupiter.api.Tag;

class SwigluTest {
    private static final int[][] NARROW = {{1, 1}, {1, 7}, {3, 8}, {5, 31}, {2, 64}, {0, 8}};
    private static final int[][] WIDE = {{3, 127}, {2, 1023}, {400, 12}, {2, 5000}, {1, 11008}};

    /** Gates at which the sigmoid saturates, exp(-gate) overflows, or the product becomes subnormal. */
    private static final double[] EXTREMES = {
        0, -0.0, 1e-30, 20, -20, 80, -80, 88, -88, -90, -100, 1e4, -1e4, 3e38, -3e38
    };

    @OnEachDType
    @Tag("small")
    void forwardOfNarrowRows(On on) {
        for (int[] shape : NARROW) {
            forward(on, shape[0], shape[1], new Draw(shape[1]).normal(2 * shape[0] * shape[1], 3));
        }
    }

    @OnEachDType
    void forwardOfWideRows(On on) {
        for (int[] shape : WIDE) {
            forward(on, shape[0], shape[1], new Draw(shape[1]).normal(2 * shape[0] * shape[1], 3));
        }
    }

    @OnEachDType
    void forwardAtExtremes(On on) {
        forward(on, 1, EXTREMES.length, gateAtExtremes());
    }

    private static double[] gateAtExtremes() {
        double[] gateUp = new Draw(1).uniform(2 * EXTREMES.length, 0.1, 0.5);
        System.arraycopy(EXTREMES, 0, gateUp, 0, EXTREMES.length);
        return gateUp;
    }

    private static void forward(On on, int rows, int width, double[] values) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor out = tensors.output("out", on.dtype(), rows, width);
            Tensor gateUp = tensors.input("gate_up", on.dtype(), rows, 2 * width, values);
            tensors.run(device ->
                    Swiglu.forward(device, out.address(), gateUp.address(), new MatrixShape(rows, width, on.dtype())));
            for (int row = 0; row < rows; row++) {
                Expect.near(
                        "swiglu of [%d, %d], row %d".formatted(rows, width, row),
                        out.row(row),
                        ReferenceSwiglu.forward(on.dtype(), gateUp.row(row)));
            }
        }
    }

    @OnEachDType
    @Tag("small")
    void backwardOfNarrowRows(On on) {
        for (int[] shape : NARROW) {
            backward(on, shape[0], shape[1], new Draw(shape[1]).normal(2 * shape[0] * shape[1], 3));
        }
    }

    @OnEachDType
    void backwardOfWideRows(On on) {
        for (int[] shape : WIDE) {
            backward(on, shape[0], shape[1], new Draw(shape[1]).normal(2 * shape[0] * shape[1], 3));
        }
    }

    @OnEachDType
    void backwardAtExtremes(On on) {
        backward(on, 1, EXTREMES.length, gateAtExtremes());
    }

    /** Writes the gradient to another tensor, then in place. */
    private static void backward(On on, int rows, int width, double[] values) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor dGateUp = tensors.output("d_gate_up", on.dtype(), rows, 2 * width);
            Tensor inPlace = tensors.updated("gate_up", on.dtype(), rows, 2 * width, values);
            Tensor dOut = tensors.input("d_out", on.dtype(), rows, width, new Draw(rows).normal(rows * width, 1));
            Tensor gateUp = tensors.input("gate_up", on.dtype(), rows, 2 * width, values);
            tensors.run(device -> {
                Swiglu.backward(
                        device,
                        dGateUp.address(),
                        dOut.address(),
                        gateUp.address(),
                        new MatrixShape(rows, width, on.dtype()));
                Swiglu.backward(
                        device,
                        inPlace.address(),
                        dOut.address(),
                        inPlace.address(),
                        new MatrixShape(rows, width, on.dtype()));
            });
            Expect.sameBits("in place", inPlace.bits(), dGateUp.bits());
            for (int row = 0; row < rows; row++) {
                Expect.near(
                        "d_gate_up of [%d, %d], row %d".formatted(rows, width, row),
                        dGateUp.row(row),
                        ReferenceSwiglu.backward(on.dtype(), dOut.row(row), gateUp.row(row)));
            }
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor out = tensors.output("out", on.dtype(), 2, 8);
            Tensor gateUp = tensors.input("gate_up", on.dtype(), 2, 16, new Draw(2).normal(32, 1));
            new Refusals(tensors, "swiglu_forward")
                    .address("out", out)
                    .address("gate_up", gateUp)
                    .matrix(2, 8, on)
                    .check((device, a) -> Swiglu.forward(device, a.get("out"), a.get("gate_up"), a.matrix()));
        }
        try (Tensors tensors = new Tensors(on)) {
            Tensor dGateUp = tensors.output("d_gate_up", on.dtype(), 2, 16);
            Tensor dOut = tensors.input("d_out", on.dtype(), 2, 8, new Draw(3).normal(16, 1));
            Tensor gateUp = tensors.input("gate_up", on.dtype(), 2, 16, new Draw(4).normal(32, 1));
            new Refusals(tensors, "swiglu_backward")
                    .address("d_gate_up", dGateUp)
                    .address("d_out", dOut)
                    .address("gate_up", gateUp)
                    .matrix(2, 8, on)
                    .check((device, a) ->
                            Swiglu.backward(device, a.get("d_gate_up"), a.get("d_out"), a.get("gate_up"), a.matrix()));
        }
    }
}
