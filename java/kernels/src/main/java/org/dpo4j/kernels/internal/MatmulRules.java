package org.dpo4j.kernels.internal;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.MatmulShape;

/** What {@code cuda} asks of a matrix product, and the shapes that share an algorithm. */
final class MatmulRules {
    /** Rows of a typical batch: algorithms are chosen for this many, whatever the batch has. */
    private static final long NOMINAL_ROWS = 4096;

    /** Of addresses, as everywhere in dpo4j.h; cuBLASLt would assume 256. What strides allow it sees for itself. */
    static final int ALIGNMENT = 16;

    private MatmulRules() {}

    /**
     * The shape that stands for this one with any number of batch rows. These are {@code m}, the rows of {@code a}; in
     * the gradient of a weight, with {@code a} transposed, they are {@code k}, rounded up to a power of two, for the
     * longer the sum, the more it pays to split it. With both transposed they lie along the rows of {@code b}, whose
     * stride bounds them: such a shape stands for itself.
     */
    static MatmulShape nominal(MatmulShape shape) {
        if (!shape.transposeA()) {
            return with(shape, NOMINAL_ROWS, shape.k());
        }
        return shape.transposeB() ? shape : with(shape, shape.m(), powerOfTwo(shape.k()));
    }

    private static MatmulShape with(MatmulShape s, long m, long k) {
        return new MatmulShape(m, s.n(), k, s.strides(), s.transposeA(), s.transposeB(), s.output(), s.inputs());
    }

    private static long powerOfTwo(long value) {
        return value <= 1 ? 1 : Long.highestOneBit(value - 1) << 1;
    }

    /** Throws on what cuBLASLt would refuse without a name, or take and read out of bounds. */
    static void check(MatmulShape shape, long c, long a, long b) {
        extent("m", shape.m());
        extent("n", shape.n());
        extent("k", shape.k());
        if (shape.output() == DType.F16 || shape.inputs() == DType.F16) {
            throw new Dpo4jException("matmul: F16 is for logits only: use BF16 or F32");
        }
        if (shape.output() == DType.BF16 && shape.inputs() == DType.F32) {
            throw new Dpo4jException("matmul: output BF16 of inputs F32 is not supported: use output F32");
        }
        operand("c", c, shape.n(), shape.strides().c());
        operand(
                "a",
                a,
                shape.transposeA() ? shape.m() : shape.k(),
                shape.strides().a());
        operand(
                "b",
                b,
                shape.transposeB() ? shape.k() : shape.n(),
                shape.strides().b());
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
}
