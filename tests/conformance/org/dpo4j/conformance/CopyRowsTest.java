package org.dpo4j.conformance;

import java.util.Arrays;
import org.dpo4j.kernels.decoder.CopyRows;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.testkit.Draw;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;

class CopyRowsTest {
    private static final int[] WIDTHS = {1, 7, 8, 31, 64, 130, 1000, 2056};

    @OnEachDType
    @Tag("small")
    void gathers(On on) {
        for (int width : WIDTHS) {
            copy(on, width, 9, 6, null, new Draw(width).indices(9, 6));
        }
    }

    @OnEachDType
    @Tag("small")
    void scatters(On on) {
        for (int width : WIDTHS) {
            copy(on, width, 11, 5, Arrays.copyOf(new Draw(width).permutation(11), 5), null);
        }
    }

    @OnEachDType
    @Tag("small")
    void gathersAndScatters(On on) {
        for (int width : WIDTHS) {
            copy(on, width, 11, 7, Arrays.copyOf(new Draw(width).permutation(11), 6), new Draw(width).indices(6, 7));
        }
    }

    @OnEachDType
    @Tag("small")
    void copiesRowsInOrder(On on) {
        copy(on, 33, 4, 4, null, null);
        copy(on, 5, 3, 4, new int[0], new int[0]);
    }

    /** Copies rows of a strided tensor and compares bits. Rows of out that no index names are not changed. */
    private static void copy(
            On on, int width, int outHeight, int inHeight, int @Nullable [] outRows, int @Nullable [] inRows) {
        int rows = outRows != null ? outRows.length : inRows != null ? inRows.length : inHeight;
        int unit = 16 / on.dtype().bytes();
        int outStride = (width + unit - 1) / unit * unit + unit;
        int inStride = outStride + 2 * unit;
        double[] expected = new double[outHeight * width];
        try (Tensors tensors = new Tensors(on)) {
            Tensor in = tensors.input(
                    "in", on.dtype(), inHeight, width, inStride, new Draw(width).normal(inHeight * width, 1));
            boolean[] written = new boolean[outHeight];
            Arrays.fill(expected, Double.NaN);
            for (int i = 0; i < rows; i++) {
                int to = outRows == null ? i : outRows[i];
                System.arraycopy(in.row(inRows == null ? i : inRows[i]), 0, expected, to * width, width);
                written[to] = true;
            }
            Tensor out = tensors.output("out", on.dtype(), outHeight, width, outStride)
                    .writes(row -> written[row]);
            long toRows =
                    outRows == null ? 0 : tensors.input("out_rows", outRows).address();
            long fromRows =
                    inRows == null ? 0 : tensors.input("in_rows", inRows).address();
            tensors.run(device -> CopyRows.forward(
                    device,
                    new CopyRows.To(out.address(), toRows, outStride),
                    new CopyRows.From(in.address(), fromRows, inStride),
                    new MatrixShape(rows, width, on.dtype())));
            Expect.exactly("rows of " + width, out.values(), expected);
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor out = tensors.output("out", on.dtype(), 2, 8, 16);
            Tensor in = tensors.input("in", on.dtype(), 2, 8, 24, new Draw(1).normal(16, 1));
            Tensor outRows = tensors.input("out_rows", 1, 0);
            Tensor inRows = tensors.input("in_rows", 0, 0);
            new Refusals(tensors, "copy_rows")
                    .address("out", out)
                    .address("in", in)
                    .size("out_rows", outRows.address(), outRows.address() + 2)
                    .size("in_rows", inRows.address(), inRows.address() + 2)
                    .matrix(2, 8, on)
                    .size("out_stride", 16, 0, 7, 17)
                    .size("in_stride", 24, 0, 7, 25)
                    .check((device, a) -> CopyRows.forward(
                            device,
                            new CopyRows.To(a.get("out"), a.get("out_rows"), a.get("out_stride")),
                            new CopyRows.From(a.get("in"), a.get("in_rows"), a.get("in_stride")),
                            a.matrix()));
        }
    }
}
