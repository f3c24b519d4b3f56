package org.dpo4j.conformance;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.decoder.ScaleRows;
import org.dpo4j.testkit.Bfloat16;
import org.dpo4j.testkit.Draw;
import org.junit.jupiter.api.Tag;

class ScaleRowsTest {
    private static final int[] WIDTHS = {1, 7, 8, 31, 64, 130, 1000, 2056};

    @OnEachDType
    @Tag("small")
    void scales(On on) {
        for (int width : WIDTHS) {
            scale(on, 9, width);
        }
        scale(on, 0, 8);
    }

    @OnEachDType
    void scalesManyRows(On on) {
        scale(on, 513, 72);
    }

    /**
     * One fp32 product and one rounding to the storage have only one right result. Out is a tensor of its own, or in
     * place.
     */
    private static void scale(On on, int rows, int width) {
        Draw draw = new Draw(width);
        double[] values = draw.normal(rows * width, 3);
        double[] factors = draw.normal(rows, 1e-3);
        if (rows > 2) {
            factors[1] = 0;
            factors[2] = -1;
        }
        try (Tensors tensors = new Tensors(on)) {
            Tensor out = tensors.output("out", on.dtype(), rows, width);
            Tensor in = tensors.input("in", on.dtype(), rows, width, values);
            Tensor scale = tensors.input("scale", DType.F32, 1, rows, factors);
            Tensor inPlace = tensors.updated("in", on.dtype(), rows, width, values);
            tensors.run(device -> {
                ScaleRows.forward(
                        device, out.address(), in.address(), scale.address(), new MatrixShape(rows, width, on.dtype()));
                ScaleRows.forward(
                        device,
                        inPlace.address(),
                        inPlace.address(),
                        scale.address(),
                        new MatrixShape(rows, width, on.dtype()));
            });
            double[] expected = new double[rows * width];
            double[] x = in.values();
            double[] s = scale.values();
            for (int i = 0; i < expected.length; i++) {
                float product = (float) s[i / width] * (float) x[i];
                expected[i] = on.dtype() == DType.BF16 ? Bfloat16.rounded(product) : product;
            }
            Expect.exactly("%d rows of %d".formatted(rows, width), out.values(), expected);
            Expect.sameBits("in place", inPlace.bits(), out.bits());
        }
    }

    /** A call may begin at any row: the factors of later rows need only 4-byte alignment. */
    @OnEachDType
    @Tag("small")
    void beginsAtAnyRow(On on) {
        int width = 16;
        try (Tensors tensors = new Tensors(on)) {
            Tensor whole = tensors.output("whole", on.dtype(), 3, width);
            Tensor later = tensors.output("later", on.dtype(), 3, width).writes(row -> row > 0);
            Tensor in = tensors.input("in", on.dtype(), 3, width, new Draw(5).normal(3 * width, 1));
            Tensor scale = tensors.vector("scale", DType.F32, 2, -0.3, 7);
            long second = (long) width * on.dtype().bytes();
            tensors.run(device -> {
                ScaleRows.forward(
                        device, whole.address(), in.address(), scale.address(), new MatrixShape(3, width, on.dtype()));
                ScaleRows.forward(
                        device,
                        later.address() + second,
                        in.address() + second,
                        scale.address() + Float.BYTES,
                        new MatrixShape(2, width, on.dtype()));
            });
            Expect.exactly("second row", later.row(1), whole.row(1));
            Expect.exactly("third row", later.row(2), whole.row(2));
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor out = tensors.output("out", on.dtype(), 2, 8);
            Tensor in = tensors.input("in", on.dtype(), 2, 8, new Draw(1).normal(16, 1));
            Tensor scale = tensors.vector("scale", DType.F32, 1, 2);
            new Refusals(tensors, "scale_rows")
                    .address("out", out)
                    .address("in", in)
                    .indices("scale", scale)
                    .matrix(2, 8, on)
                    .check((device, a) ->
                            ScaleRows.forward(device, a.get("out"), a.get("in"), a.get("scale"), a.matrix()));
        }
    }
}
