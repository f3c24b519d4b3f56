package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.stream.IntStream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.MatmulShape;
import org.dpo4j.testkit.Draw;

/** Products with a matrix in panels have the bits of products with the same matrix by rows, which {@link MatmulTest} compares. */
class PanelsTest {
    private static final int PANEL = 16;

    /** {@code b} is there by rows and in panels, which become rows again at the end. */
    private record Product(Tensor c, Tensor byRows, Tensor a, Tensor b, Tensor panels, Tensor bias, MatmulShape shape) {
        void run(Device device, boolean accumulate) {
            device.packPanels(panels.address(), shape.n(), shape.k(), shape.inputs());
            multiply(device, byRows, b, shape.transposedB(), accumulate);
            multiply(device, c, panels, shape.panelsB(), accumulate);
            device.unpackPanels(panels.address(), shape.n(), shape.k(), shape.inputs());
        }

        private void multiply(Device device, Tensor result, Tensor right, MatmulShape as, boolean accumulate) {
            if (accumulate) {
                device.matmul(result.address(), a.address(), right.address(), as, true);
            } else {
                device.matmul(result.address(), a.address(), right.address(), bias.address(), as);
            }
        }
    }

    /** Rows that take each way through the tiles, one group of columns or more, and k of less than a block, of two, and of two sgemms. */
    @OnEachDType
    void productsHaveTheBitsOfRows(On on) {
        int[][] sizes = {{16, 8}, {48, 64}, {80, 392}, {112, 772}, {320, 512}, {32, 4104}, {1104, 264}};
        for (int[] size : sizes) {
            if (!on.device().hasPanels(size[0], size[1], on.dtype())) {
                continue;
            }
            for (int m : new int[] {1, 2, 3, 7, 64, 147}) {
                for (boolean accumulate : new boolean[] {false, true}) {
                    hasTheBitsOfRows(on, m, size[0], size[1], accumulate);
                }
            }
        }
    }

    private static void hasTheBitsOfRows(On on, int m, int n, int k, boolean accumulate) {
        DType dtype = on.dtype();
        Draw draw = new Draw(m + 1000L * n + k);
        double[] before = draw.normal(m * n, 3);
        double[] values = draw.normal(n * k, 1);
        try (Tensors tensors = new Tensors(on)) {
            Product product = new Product(
                    tensors.updated("c", dtype, m, n, before),
                    tensors.updated("by rows", dtype, m, n, before),
                    tensors.input("a", dtype, m, k, draw.normal(m * k, 1)),
                    tensors.input("b", dtype, n, k, values),
                    tensors.updated("panels", dtype, n, k, values),
                    tensors.input("bias", dtype, 1, n, draw.normal(n, 1)),
                    MatmulShape.contiguous(m, n, k, dtype, dtype));
            tensors.run(device -> product.run(device, accumulate));
            String what = m + " rows, b[" + n + ", " + k + "]" + (accumulate ? ", added" : ", with bias");
            Expect.sameBits(what, product.c.bits(), product.byRows.bits());
            Expect.sameBits("unpacked " + what, product.panels.bits(), product.b.bits());
        }
    }

    /** The order in dpo4j.h: panels of 16 rows, words of 32 bits column by column. */
    @OnEachDType
    void panelsAreStoredColumnByColumn(On on) {
        int rows = 2 * PANEL;
        int columns = 24;
        if (!on.device().hasPanels(rows, columns, on.dtype())) {
            return;
        }
        double[] numbers =
                IntStream.range(0, rows * columns).mapToDouble(i -> i % 251).toArray();
        double[] expected = new double[numbers.length];
        int inWord = 4 / on.dtype().bytes();
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                int word = column / inWord * PANEL + row % PANEL;
                expected[row / PANEL * PANEL * columns + word * inWord + column % inWord] =
                        numbers[row * columns + column];
            }
        }
        try (Tensors tensors = new Tensors(on)) {
            Tensor matrix = tensors.updated("matrix", on.dtype(), rows, columns, numbers);
            tensors.run(device -> device.packPanels(matrix.address(), rows, columns, on.dtype()));
            assertThat(matrix.values()).isEqualTo(expected);
        }
    }

    /** No device has panels of these sizes. */
    @OnEachDType
    void whatHasNoPanelsIsRefused(On on) {
        Device device = on.device();
        long tooLong = 1 << 16;
        long[][] sizes = {{15, 64}, {17, 64}, {16, 1}, {16, 9}, {16, tooLong}, {0, 64}, {16, 0}, {-16, 64}, {16, -64}};
        for (long[] size : sizes) {
            assertThat(device.hasPanels(size[0], size[1], on.dtype()))
                    .as(size[0] + " x " + size[1])
                    .isFalse();
        }
        assertThat(device.hasPanels(16, 64, DType.F16)).isFalse();
        try (Tensors tensors = new Tensors(on)) {
            Tensor c = tensors.output("c", DType.F32, 8, 24);
            Tensor a = tensors.input("a", on.dtype(), 8, 8, new Draw(1).normal(64, 1));
            Tensor b = tensors.input("b", on.dtype(), 24, 8, new Draw(2).normal(192, 1));
            MatmulShape shape = MatmulShape.contiguous(8, 24, 8, DType.F32, on.dtype());
            tensors.refused(
                    "matmul",
                    "panels|b_panels",
                    at -> at.matmul(c.address(), a.address(), b.address(), shape.panelsB(), false));
            assertThatThrownBy(() -> device.packPanels(b.address(), 24, 8, on.dtype()))
                    .isInstanceOf(Dpo4jException.class)
                    .hasMessageContaining("panels");
        }
    }

    @OnEachDType
    void otherProductsRefusePanels(On on) {
        if (!on.device().hasPanels(16, 16, on.dtype())) {
            return;
        }
        try (Tensors tensors = new Tensors(on)) {
            Tensor c = tensors.output("c", DType.F32, 16, 16);
            Tensor a = tensors.input("a", on.dtype(), 16, 16, new Draw(1).normal(256, 1));
            MatmulShape panels =
                    MatmulShape.contiguous(16, 16, 16, DType.F32, on.dtype()).panelsB();
            refused(tensors, "alpha", c, a, panels.withAlpha(2));
            refused(tensors, "b_stride", c, a, panels.withStrides(new MatmulShape.Strides(16, 16, 24)));
            MatmulShape transposed =
                    new MatmulShape(16, 16, 16, panels.strides(), true, true, true, DType.F32, on.dtype(), 1);
            refused(tensors, "transpose_a", c, a, transposed);
        }
    }

    private static void refused(Tensors tensors, String argument, Tensor c, Tensor a, MatmulShape shape) {
        tensors.refused(
                "matmul", argument, device -> device.matmul(c.address(), a.address(), a.address(), shape, false));
    }
}
