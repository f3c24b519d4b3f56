package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.MatmulShape;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.ReferenceMatmul;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

class MatmulTest {

    /** Sizes of c[m,n] = op(a) op(b); the transposes say how a and b are stored. */
    private record Shape(int m, int n, int k, boolean transposeA, boolean transposeB) {
        int rowsOfA() {
            return transposeA ? k : m;
        }

        int columnsOfA() {
            return transposeA ? m : k;
        }

        int rowsOfB() {
            return transposeB ? n : k;
        }

        int columnsOfB() {
            return transposeB ? k : n;
        }
    }

    /** The min stride that aligns rows to 16 bytes, plus 16 bytes. */
    private static int stride(int columns, DType dtype) {
        int unit = 16 / dtype.bytes();
        return (columns + unit - 1) / unit * unit + unit;
    }

    private static long[] multiply(
            On on, Shape shape, boolean accumulate, DType output, double[] aValues, double[] bValues) {
        return multiply(on, shape, 1, accumulate, output, aValues, bValues);
    }

    private static long[] multiply(
            On on, Shape shape, float alpha, boolean accumulate, DType output, double[] aValues, double[] bValues) {
        try (Tensors tensors = new Tensors(on)) {
            Operands operands = new Operands(on, tensors, shape, accumulate, output, aValues, bValues);
            double[] before = accumulate ? operands.c.values() : new double[shape.m * shape.n];
            tensors.run(device -> operands.multiply(device, alpha));
            operands.check(alpha, before);
            return operands.c.bits();
        }
    }

    /** The bits of a product to F32, unchecked: for rows that have the bits of a product that was compared with the reference. */
    private static long[] bits(On on, Shape shape, float alpha, double[] aValues, double[] bValues) {
        try (Tensors tensors = new Tensors(on)) {
            Operands operands = new Operands(on, tensors, shape, false, DType.F32, aValues, bValues);
            tensors.run(device -> operands.multiply(device, alpha));
            return operands.c.bits();
        }
    }

    /** The tensors of one product. */
    private static final class Operands {
        final Tensor c;
        final Tensor a;
        final Tensor b;
        private final Shape shape;
        private final MatmulShape product;
        private final boolean accumulate;

        Operands(
                On on,
                Tensors tensors,
                Shape shape,
                boolean accumulate,
                DType output,
                double[] aValues,
                double[] bValues) {
            this.shape = shape;
            this.accumulate = accumulate;
            int strideC = stride(shape.n, output);
            int strideA = stride(shape.columnsOfA(), on.dtype());
            int strideB = stride(shape.columnsOfB(), on.dtype());
            c = accumulate
                    ? tensors.updated("c", output, shape.m, shape.n, strideC, new Draw(7).normal(shape.m * shape.n, 3))
                    : tensors.output("c", output, shape.m, shape.n, strideC);
            a = tensors.input("a", on.dtype(), shape.rowsOfA(), shape.columnsOfA(), strideA, aValues);
            b = tensors.input("b", on.dtype(), shape.rowsOfB(), shape.columnsOfB(), strideB, bValues);
            MatmulShape.Strides strides = new MatmulShape.Strides(strideC, strideA, strideB);
            product = new MatmulShape(
                    shape.m, shape.n, shape.k, strides, shape.transposeA, shape.transposeB, output, on.dtype());
        }

        void multiply(Device device, float alpha) {
            device.matmul(c.address(), a.address(), b.address(), product.withAlpha(alpha), accumulate);
        }

        /** Compares c with {@code alpha} times the product, added to {@code before}. */
        void check(float alpha, double[] before) {
            double[] expected = product(shape, a.values(), b.values());
            double[] magnitudes = product(shape, abs(a.values()), abs(b.values()));
            for (int i = 0; i < expected.length; i++) {
                magnitudes[i] = Math.abs(alpha) * magnitudes[i] + Math.abs(before[i]);
                expected[i] = before[i] + alpha * expected[i];
            }
            // A factor rounds once more.
            int terms = shape.k + (alpha == 1 ? 1 : 2);
            Expect.near(
                    shape + (alpha == 1 ? "" : " times " + alpha) + (accumulate ? " added" : "") + " to "
                            + product.output(),
                    c.values(),
                    expected,
                    i -> Tolerance.stored(product.output(), expected[i], Tolerance.sum(terms, magnitudes[i])));
        }
    }

    private static double[] product(Shape shape, double[] a, double[] b) {
        return ReferenceMatmul.product(a, b, shape.m, shape.n, shape.k, shape.transposeA, shape.transposeB);
    }

    private static double[] abs(double[] values) {
        return Arrays.stream(values).map(Math::abs).toArray();
    }

    private static void multiply(On on, int m, int n, int k) {
        Draw draw = new Draw(m + 100L * n + 10_000L * k);
        double[] a = draw.normal(m * k, 1);
        double[] b = draw.normal(k * n, 1);
        for (int transposes = 0; transposes < 4; transposes++) {
            Shape shape = new Shape(m, n, k, transposes % 2 == 1, transposes > 1);
            multiply(on, shape, false, on.dtype(), a, b);
            multiply(on, shape, true, DType.F32, a, b);
        }
    }

    @OnEachDType
    @Tag("small")
    void smallProducts(On on) {
        int[][] shapes = {{1, 1, 1}, {1, 5, 8}, {5, 1, 7}, {3, 4, 31}, {8, 8, 8}, {17, 13, 9}, {0, 4, 4}, {3, 5, 0}};
        for (int[] shape : shapes) {
            multiply(on, shape[0], shape[1], shape[2]);
        }
    }

    @OnEachDTypeOfWidest
    void largerProducts(On on) {
        int[][] shapes = {{65, 33, 129}, {1, 300, 64}, {130, 64, 257}, {40, 200, 1000}};
        for (int[] shape : shapes) {
            multiply(on, shape[0], shape[1], shape[2]);
        }
    }

    /** The products of LoRA: a rank as the number of columns, or of elements of a sum, and a factor. */
    @OnEachDType
    @Tag("small")
    void aFactorMultipliesTheProduct(On on) {
        int[][] shapes = {{1, 1, 1}, {1, 300, 16}, {3, 5, 0}, {50, 8, 33}, {49, 40, 8}, {2, 3, 4100}};
        for (int[] size : shapes) {
            Draw draw = new Draw(21);
            double[] a = draw.normal(size[0] * size[2], 1);
            double[] b = draw.normal(size[2] * size[1], 1);
            for (int transposes = 0; transposes < 4; transposes++) {
                Shape shape = new Shape(size[0], size[1], size[2], transposes % 2 == 1, transposes > 1);
                multiply(on, shape, 2, false, on.dtype(), a, b);
                multiply(on, shape, -0.7f, true, on.dtype(), a, b);
            }
        }
    }

    @OnEachDType
    void aRowWithFactorDoesNotDependOnOtherRows(On on) {
        for (boolean transposeB : new boolean[] {false, true}) {
            int n = 57;
            int k = 16;
            double[] a = new Draw(22).normal(96 * k, 1);
            double[] b = new Draw(23).normal(k * n, 1);
            long[] together = multiply(on, new Shape(96, n, k, false, transposeB), 0.7f, false, DType.F32, a, b);
            for (int m : new int[] {1, 7, 30, 49}) {
                double[] some = Arrays.copyOfRange(a, (96 - m) * k, a.length);
                long[] bits = bits(on, new Shape(m, n, k, false, transposeB), 0.7f, some, b);
                Expect.sameBits(
                        "last " + m + " rows", bits, Arrays.copyOfRange(together, (96 - m) * n, together.length));
            }
        }
    }

    /** Rows that fill tiles of the CPU's product (144, 48 and 24) and rows that do not, and sums longer than one of its passes (4096). */
    @OnEachDType
    @Tag("small")
    void aBiasIsAddedToEveryRow(On on) {
        int[][] shapes = {{1, 1, 1}, {1, 300, 64}, {3, 5, 0}, {24, 8, 9}, {50, 13, 33}, {150, 40, 20}, {2, 3, 4100}};
        for (int[] shape : shapes) {
            for (int transposes = 0; transposes < 4; transposes++) {
                addBias(on, new Shape(shape[0], shape[1], shape[2], transposes % 2 == 1, transposes > 1), 0);
            }
        }
        addBias(on, new Shape(0, 4, 4, false, true), 0);
    }

    /** On cpu, more than a tile of 144 rows. From k = 769 on, sgemm of AVX-512 adds to c in an order that depends on the width of tiles. */
    @OnEachDType
    void aRowWithBiasDoesNotDependOnOtherRows(On on) {
        int all = on.cuda() ? 96 : 147;
        int[][] widths = {{96, 320}, {41, 769}, {112, 772}};
        for (int[] width : widths) {
            int n = width[0];
            long[] together = addBias(on, new Shape(all, n, width[1], false, true), 0);
            for (int m : new int[] {1, 7, 30, 49}) {
                long[] bits = addBias(on, new Shape(m, n, width[1], false, true), all - m);
                Expect.sameBits(
                        "last " + m + " rows", bits, Arrays.copyOfRange(together, (all - m) * n, together.length));
            }
        }
    }

    /** Multiplies with a bias, from row {@code first} of a on. c, a and b have more elements between rows than columns. */
    private static long[] addBias(On on, Shape shape, int first) {
        int m = shape.m;
        int n = shape.n;
        int k = shape.k;
        double[] a = new Draw(11).normal((first + m) * k, 1);
        try (Tensors tensors = new Tensors(on)) {
            DType dtype = on.dtype();
            Tensor c = tensors.output("c", dtype, m, n, stride(n, dtype));
            Tensor bias = tensors.input("bias", dtype, 1, n, new Draw(13).normal(n, 10));
            int strideA = stride(shape.columnsOfA(), dtype);
            int strideB = stride(shape.columnsOfB(), dtype);
            double[] rows = Arrays.copyOfRange(a, first * k, a.length);
            Tensor left = tensors.input("a", dtype, shape.rowsOfA(), shape.columnsOfA(), strideA, rows);
            Tensor right = tensors.input(
                    "b", dtype, shape.rowsOfB(), shape.columnsOfB(), strideB, new Draw(12).normal(k * n, 1));
            MatmulShape.Strides strides = new MatmulShape.Strides(stride(n, dtype), strideA, strideB);
            MatmulShape product = new MatmulShape(m, n, k, strides, shape.transposeA, shape.transposeB, dtype, dtype);
            tensors.run(device -> device.matmul(c.address(), left.address(), right.address(), bias.address(), product));
            double[] expected = product(shape, left.values(), right.values());
            double[] magnitudes = product(shape, abs(left.values()), abs(right.values()));
            double[] biases = bias.values();
            for (int i = 0; i < expected.length; i++) {
                expected[i] += biases[i % n];
                magnitudes[i] += Math.abs(biases[i % n]);
            }
            Expect.near(
                    shape + " with bias",
                    c.values(),
                    expected,
                    i -> Tolerance.stored(dtype, expected[i], Tolerance.sum(k + 1, magnitudes[i])));
            return c.bits();
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesABadBias(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor c = tensors.output("c", on.dtype(), 8, 8);
            Tensor a = tensors.input("a", on.dtype(), 8, 8, new Draw(1).normal(64, 1));
            MatmulShape shape = MatmulShape.contiguous(8, 8, 8, on.dtype(), on.dtype());
            for (long bias : new long[] {0, c.address() + 4}) {
                tensors.refused(
                        "matmul", "bias", device -> device.matmul(c.address(), a.address(), a.address(), bias, shape));
            }
            Tensor bias = tensors.input("bias", on.dtype(), 1, 8, new Draw(2).normal(8, 1));
            tensors.refused(
                    "matmul",
                    "alpha",
                    device -> device.matmul(c.address(), a.address(), a.address(), bias.address(), shape.withAlpha(2)));
            for (float alpha : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
                tensors.refused(
                        "matmul",
                        "alpha",
                        device -> device.matmul(c.address(), a.address(), a.address(), shape.withAlpha(alpha), false));
            }
        }
    }

    /**
     * A row of c has the same bits alone and among more rows. On cpu, tiles have up to 144 rows or up to 1152 (the
     * emulated device computes 48), and other numbers of rows are computed in other ways. Lengths of k: one block of
     * sgemm, two of unequal length, several, and several sgemms.
     */
    @OnEachDType
    void rowsDoNotDependOnOtherRows(On on) {
        int[][] widths = on.dtype() == DType.F32
                ? new int[][] {{96, 320}, {41, 511}, {57, 769}, {300, 70}, {17, 4801}}
                : new int[][] {{57, 769}, {300, 70}, {80, 1030}};
        for (int[] width : widths) {
            for (boolean transposeB : new boolean[] {false, true}) {
                rowsDoNotDependOnOtherRows(on, new Shape(on.cuda() ? 48 : 144, width[0], width[1], false, transposeB));
            }
        }
        if (!on.cuda()) {
            rowsDoNotDependOnOtherRows(on, new Shape(1200, 41, 400, false, true));
        }
    }

    /**
     * The same for few rows; 64 rows outside have the bits of more rows outside. The stand-in sums in another order if it chose
     * for few rows, so the bits of the two differ on {@code emulated}.
     */
    @OnEachDType
    void fewRowsDoNotDependOnOtherRows(On on) {
        int n = 57;
        int k = 769;
        double[] a = new Draw(31).normal(100 * k, 1);
        double[] b = new Draw(32).normal(k * n, 1);
        for (boolean transposeB : new boolean[] {false, true}) {
            long[] outside = multiply(on, new Shape(100, n, k, false, transposeB), false, DType.F32, a, b);
            long[] inside = multiplyFew(on, new Shape(100, n, k, false, transposeB), a, b);
            for (int m : new int[] {1, 64}) {
                long[] bits = multiplyFew(on, new Shape(m, n, k, false, transposeB), Arrays.copyOf(a, m * k), b);
                Expect.sameBits(m + " rows", bits, Arrays.copyOf(inside, bits.length));
            }
            double[] some = Arrays.copyOf(a, 64 * k);
            long[] after = bits(on, new Shape(64, n, k, false, transposeB), 1, some, b);
            Expect.sameBits("64 rows", after, Arrays.copyOf(outside, after.length));
            if (on.name().equals("emulated")) {
                assertThat(inside).isNotEqualTo(outside);
            }
        }
    }

    /** The product as generation computes it. */
    private static long[] multiplyFew(On on, Shape shape, double[] aValues, double[] bValues) {
        try (Tensors tensors = new Tensors(on)) {
            Operands operands = new Operands(on, tensors, shape, false, DType.F32, aValues, bValues);
            tensors.run(device -> device.withFewRows(() -> operands.multiply(device, 1)));
            operands.check(1, new double[shape.m * shape.n]);
            return operands.c.bits();
        }
    }

    private static void rowsDoNotDependOnOtherRows(On on, Shape shape) {
        int n = shape.n;
        int k = shape.k;
        Draw draw = new Draw(5);
        double[] a = draw.normal(shape.m * k, 1);
        double[] b = draw.normal(k * n, 1);
        long[] together = multiply(on, shape, false, DType.F32, a, b);
        int[] counts = on.cuda() ? new int[] {1, 7, 47} : new int[] {1, 2, 3, 7, 12, 16, 17, 47, 64, 143};
        for (int m : counts) {
            Shape fewer = new Shape(m, n, k, false, shape.transposeB);
            double[] some = Arrays.copyOfRange(a, (shape.m - m) * k, shape.m * k);
            long[] bits = bits(on, fewer, 1, some, b);
            long[] expected = Arrays.copyOfRange(together, (shape.m - m) * n, shape.m * n);
            Expect.sameBits(fewer + " of " + shape.m + " rows", bits, expected);
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor c = tensors.output("c", DType.F32, 4, 4);
            Tensor a = tensors.input("a", on.dtype(), 4, 8, new Draw(1).normal(32, 1));
            Tensor b = tensors.input("b", on.dtype(), 8, 4, 8, new Draw(2).normal(32, 1));
            Object[][] bad = {
                {"c", 0L, 4, 4, 8, 4, 8, 8},
                {"m", c.address(), -1, 4, 8, 4, 8, 8},
                {"n", c.address(), 4, -1, 8, 4, 8, 8},
                {"k", c.address(), 4, 4, -1, 4, 8, 8},
                {"c|c_stride", c.address(), 4, 4, 8, 3, 8, 8},
                {"a|a_stride", c.address(), 4, 4, 8, 4, 7, 8},
                {"b|b_stride", c.address(), 4, 4, 8, 4, 8, 3},
            };
            for (Object[] one : bad) {
                tensors.refused(
                        "matmul",
                        (String) one[0],
                        device -> device.matmul(
                                (Long) one[1],
                                a.address(),
                                b.address(),
                                new MatmulShape(
                                        (Integer) one[2],
                                        (Integer) one[3],
                                        (Integer) one[4],
                                        new MatmulShape.Strides((Integer) one[5], (Integer) one[6], (Integer) one[7]),
                                        false,
                                        false,
                                        DType.F32,
                                        on.dtype()),
                                false));
            }
        }
        refusesType(on, DType.BF16, DType.F32);
        refusesType(on, DType.F32, DType.F16);
        refusesType(on, DType.F16, on.dtype());
    }

    private static void refusesType(On on, DType output, DType inputs) {
        MatmulShape shape =
                MatmulShape.contiguous(1, 1, 1, output, inputs).withStrides(new MatmulShape.Strides(4, 4, 4));
        assertThatThrownBy(() -> on.device().matmul(0, 0, 0, shape, false))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("matmul")
                .hasMessageContaining(output == DType.F16 || inputs == DType.F16 ? "F16" : "BF16");
    }
}
