package org.dpo4j.kernels.internal;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;

/** Everything about {@code c[m,n] = op(a) op(b)} but the addresses. Strides are elements between rows as stored. */
record MatmulShape(
        long m,
        long n,
        long k,
        long strideC,
        long strideA,
        long strideB,
        boolean transposeA,
        boolean transposeB,
        DType output,
        DType inputs) {

    /** Rows of a typical batch: algorithms are chosen for this many, whatever the batch has. */
    private static final long NOMINAL_ROWS = 4096;

    /** Of addresses, as everywhere in dpo4j.h; cuBLASLt would assume 256. What strides allow it sees for itself. */
    static final int ALIGNMENT = 16;

    /**
     * The shape that stands for this one with any number of batch rows. These are {@code m}, the rows of {@code a}; in
     * the gradient of a weight, with {@code a} transposed, they are {@code k}, rounded up to a power of two, for the
     * longer the sum, the more it pays to split it. With both transposed they lie along the rows of {@code b}, whose
     * stride bounds them: such a shape stands for itself.
     */
    MatmulShape nominal() {
        if (!transposeA) {
            return with(NOMINAL_ROWS, k);
        }
        return transposeB ? this : with(m, powerOfTwo(k));
    }

    private MatmulShape with(long newM, long newK) {
        return new MatmulShape(newM, n, newK, strideC, strideA, strideB, transposeA, transposeB, output, inputs);
    }

    private static long powerOfTwo(long value) {
        return value <= 1 ? 1 : Long.highestOneBit(value - 1) << 1;
    }

    /** Throws on what cuBLASLt would refuse without a name, or take and read out of bounds. */
    void check(long c, long a, long b) {
        extent("m", m);
        extent("n", n);
        extent("k", k);
        if (output == DType.F16 || inputs == DType.F16) {
            throw new Dpo4jException("matmul: F16 is for logits only: use BF16 or F32");
        }
        if (output == DType.BF16 && inputs == DType.F32) {
            throw new Dpo4jException("matmul: output BF16 of inputs F32 is not supported: use output F32");
        }
        operand("c", c, n, strideC);
        operand("a", a, transposeA ? m : k, strideA);
        operand("b", b, transposeB ? k : n, strideB);
    }

    private static void extent(String name, long value) {
        if (value < 0) {
            throw new Dpo4jException("matmul: " + name + " is " + value + ", must be 0 or more");
        }
    }

    private static void operand(String name, long address, long width, long stride) {
        if (stride < width) {
            throw new Dpo4jException("matmul: stride of " + name + " is " + stride + ", its rows have " + width);
        }
        if (address == 0) {
            throw new Dpo4jException("matmul: " + name + " is null");
        }
        if (address % ALIGNMENT != 0) {
            throw new Dpo4jException("matmul: " + name + " is not aligned to " + ALIGNMENT + " bytes");
        }
    }

    @Override
    public String toString() {
        return "c[" + m + "," + n + "] " + output + " stride " + strideC + " = a" + (transposeA ? "^T" : "") + " b"
                + (transposeB ? "^T" : "") + " over " + k + " " + inputs + ", strides " + strideA + ", " + strideB;
    }
}
