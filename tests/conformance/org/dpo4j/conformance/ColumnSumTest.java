package org.dpo4j.conformance;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.ColumnSum;
import org.dpo4j.kernels.decoder.ColumnSum.Matrix;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

class ColumnSumTest {
    private static final int[] WIDTHS = {1, 3, 8, 31, 64, 257, 1000};

    @OnEachDType
    @Tag("small")
    void sums(On on) {
        for (int width : WIDTHS) {
            check(on, 1, width, true);
            check(on, 19, width, true);
            check(on, 19, width, false);
        }
    }

    @OnEachDType
    void manyRowsAndColumns(On on) {
        check(on, 1021, 72, true);
        check(on, 5, 50_257, true);
        // More rows than the threads of a block load at once, in a narrow matrix and in a wide one.
        check(on, 2100, 75, true);
        check(on, 70, 8200, true);
    }

    /** Sums are added to existing values: {@code rows} products and one more addition. Rows have a gap between them. */
    private static void check(On on, int rows, int width, boolean scaled) {
        Draw draw = new Draw(width);
        int stride = (width + 7 & -8) + 8;
        try (Tensors tensors = new Tensors(on)) {
            Tensor sums = tensors.updated("sums", DType.F32, 1, width, draw.normal(width, 1));
            double[] before = sums.values();
            Tensor in = tensors.input("in", on.dtype(), rows, width, stride, draw.normal(rows * width, 3));
            Tensor scale = tensors.vector("scale", DType.F32, draw.normal(rows, 1));
            long factors = scaled ? scale.address() : ColumnSum.UNSCALED;
            Matrix matrix = new Matrix(in.address(), rows, width, stride, on.dtype());
            tensors.run(device -> ColumnSum.forward(device, sums.address(), matrix, factors));
            double[] x = in.values();
            double[] s = scale.values();
            double[] expected = new double[width];
            double[] magnitudes = new double[width];
            for (int j = 0; j < width; j++) {
                expected[j] = before[j];
                magnitudes[j] = Math.abs(before[j]);
                for (int row = 0; row < rows; row++) {
                    double term = (scaled ? s[row] : 1) * x[row * width + j];
                    expected[j] += term;
                    magnitudes[j] += Math.abs(term);
                }
            }
            Expect.near(
                    "%d rows of %d".formatted(rows, width),
                    sums.values(),
                    expected,
                    j -> Tolerance.sum(rows + 2, magnitudes[j]));
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            new Refusals(tensors, "column_sum")
                    .address("sums", tensors.updated("sums", DType.F32, 1, 8, new Draw(1).normal(8, 1)))
                    .address("in", tensors.input("in", on.dtype(), 2, 8, 16, new Draw(1).normal(16, 1)))
                    .indicesOrNull("scale", tensors.vector("scale", DType.F32, 1, 2))
                    .size("rows", 2, -1)
                    .size("width", 8, 0, -1)
                    .size("in_stride", 16, 0, 7, 17)
                    .dtype("dtype", on)
                    .check((device, a) -> ColumnSum.forward(
                            device,
                            a.get("sums"),
                            new Matrix(
                                    a.get("in"), a.get("rows"), a.get("width"), a.get("in_stride"), a.dtype("dtype")),
                            a.get("scale")));
        }
    }
}
