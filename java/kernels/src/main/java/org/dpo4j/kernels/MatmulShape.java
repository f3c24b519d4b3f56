package org.dpo4j.kernels;

/**
 * Sizes, layout, types and factor of a row-major matrix product {@code c = alpha op(a) op(b)}. {@code op(a)} is [m,k]: {@code a}
 * itself, or the transpose of an {@code a} stored as [k,m]. {@code op(b)} is [k,n]: {@code b} itself, or the transpose
 * of a {@code b} stored as [n,k].
 *
 * <p>Bits: the rows of {@code c} are those of a batch, if {@code a} is not transposed. A row then has the same bits in every
 * product that differs from this one only in {@code m} and in other rows, on one device with one version of the libraries. So
 * log-probs do not depend on what else is in a batch, and those of a reference that was scored in batches of other sizes are
 * exactly those of the policy before its first step. On cuda, products inside {@link Device#withFewRows} are a group of their
 * own: a row has the same bits in all of them, but may have other bits than outside. If {@code a} is transposed, the batch
 * is summed over: {@code k} is its number of rows, and the bits depend on {@code k} rounded up to a power of two.
 *
 * @param strides elements between rows as stored
 * @param output type of {@code c}
 * @param inputs type of {@code a} and {@code b}
 * @param hasPanels whether {@code b} [n,k] is stored in panels ({@link Device#packPanels}). Then {@code a} is not transposed, {@code b} is
 *     transposed and contiguous, and {@code alpha} is 1
 * @param alpha finite; 1 if the product has a bias
 */
public record MatmulShape(
        long m,
        long n,
        long k,
        Strides strides,
        boolean transposeA,
        boolean transposeB,
        boolean hasPanels,
        DType output,
        DType inputs,
        float alpha) {

    /** Without panels, with {@code alpha} 1. */
    public MatmulShape(
            long m,
            long n,
            long k,
            Strides strides,
            boolean transposeA,
            boolean transposeB,
            DType output,
            DType inputs) {
        this(m, n, k, strides, transposeA, transposeB, false, output, inputs, 1);
    }

    /** Elements between the rows of {@code c}, {@code a} and {@code b} as stored. */
    public record Strides(long c, long a, long b) {}

    /** {@code c = a b}, all matrices contiguous. */
    public static MatmulShape contiguous(long m, long n, long k, DType output, DType inputs) {
        return contiguous(m, n, k, false, false, output, inputs);
    }

    /** The same with {@code a} stored as [k,m], all matrices contiguous. */
    public MatmulShape transposedA() {
        return contiguous(m, n, k, true, transposeB, output, inputs);
    }

    /** The same with {@code b} stored as [n,k], all matrices contiguous. */
    public MatmulShape transposedB() {
        return contiguous(m, n, k, transposeA, true, output, inputs);
    }

    /** {@link #transposedB} with {@code b} in panels. */
    public MatmulShape panelsB() {
        MatmulShape rows = transposedB();
        return new MatmulShape(m, n, k, rows.strides, transposeA, true, true, output, inputs, alpha);
    }

    /** The same with these strides. Call it last: {@link #transposedA} and {@link #transposedB} reset strides. */
    public MatmulShape withStrides(Strides other) {
        return new MatmulShape(m, n, k, other, transposeA, transposeB, hasPanels, output, inputs, alpha);
    }

    /** The same with this factor. Call it last, as {@link #withStrides}. */
    public MatmulShape withAlpha(float factor) {
        return new MatmulShape(m, n, k, strides, transposeA, transposeB, hasPanels, output, inputs, factor);
    }

    private static MatmulShape contiguous(
            long m, long n, long k, boolean transposeA, boolean transposeB, DType output, DType inputs) {
        Strides strides = new Strides(n, transposeA ? m : k, transposeB ? k : n);
        return new MatmulShape(m, n, k, strides, transposeA, transposeB, output, inputs);
    }

    @Override
    public String toString() {
        return "c[" + m + "," + n + "] " + output + " stride " + strides.c + " = a" + (transposeA ? "^T" : "") + " b"
                + (transposeB ? "^T" : "") + (hasPanels ? " in panels" : "") + " over " + k + " " + inputs
                + ", strides " + strides.a + ", " + strides.b
                + (alpha == 1 ? "" : ", times " + alpha);
    }
}
