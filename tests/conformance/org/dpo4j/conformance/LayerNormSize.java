package org.dpo4j.conformance;

import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.LayerNorm;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.Expected;

/**
 * Sizes of a call of layer_norm. The padding of inputs is NaN, because it must have no effect.
 *
 * @param meanWidth elements of a row without padding
 */
record LayerNormSize(int rows, int meanWidth, int width, DType dtype) {
    /** Rows, elements of a row without padding, and with it. 1024 is the max width of the kernel for narrow rows. */
    static final int[][] NARROW = {
        {1, 1, 1}, {1, 1, 8}, {2, 2, 2}, {1, 7, 7}, {3, 8, 8}, {5, 6, 8}, {5, 31, 31}, {19, 24, 24}, {3, 9, 24}
    };

    /** The kernel for wide rows keeps 4096 columns in registers. */
    static final int[][] WIDE = {
        {3, 127, 127},
        {300, 40, 40},
        {2, 510, 512},
        {2, 517, 520},
        {3, 1023, 1023},
        {2, 1020, 1024},
        {2, 1030, 1032},
        {1600, 24, 24},
        {700, 9, 9},
        {2, 4096, 4096},
        {1, 5003, 5003},
        {3, 4999, 5000},
        {2, 9000, 9000}
    };

    static LayerNormSize of(int[] sizes, On on) {
        return new LayerNormSize(sizes[0], sizes[1], sizes[2], on.dtype());
    }

    LayerNorm.Shape shape() {
        return new LayerNorm.Shape(rows, width, meanWidth, dtype);
    }

    /** The shape of a call whose arguments are tried. */
    static LayerNorm.Shape shape(Refusals.Arguments a) {
        return new LayerNorm.Shape(a.get("rows"), a.get("width"), a.get("mean_width"), a.dtype("dtype"));
    }

    /** Rows of {@code meanWidth} values, with padding. */
    double[] pad(double[] values, double padding) {
        double[] padded = new double[values.length / meanWidth * width];
        Arrays.setAll(padded, i -> i % width < meanWidth ? values[i / width * meanWidth + i % width] : padding);
        return padded;
    }

    /** An input of all rows. */
    Tensor matrix(Tensors tensors, String name, double[] values) {
        return tensors.input(name, dtype, rows, width, pad(values, Double.NaN));
    }

    /** An input of one row. */
    Tensor vector(Tensors tensors, String name, double[] values) {
        return tensors.input(name, dtype, 1, width, pad(values, Double.NaN));
    }

    /** Values of all rows. */
    double[] normal(Draw draw, double deviation) {
        return draw.normal(rows * meanWidth, deviation);
    }

    /** A row without padding. */
    double[] row(Tensor tensor, int row) {
        return Arrays.copyOf(tensor.row(row), meanWidth);
    }

    /** A row has the expected values, and 0 in the padding. */
    void check(String what, double[] row, Expected expected) {
        Expect.near("%s of %s".formatted(what, this), Arrays.copyOf(row, meanWidth), expected);
        double[] padding = Arrays.copyOfRange(row, meanWidth, width);
        Expect.exactly("padding of %s of %s".formatted(what, this), padding, new double[width - meanWidth]);
    }
}
