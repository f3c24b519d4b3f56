package org.dpo4j.kernels.internal;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.MatmulShape;

/** Checks of matrix products, and the shapes that share an algorithm. */
final class MatmulRules {
    /** Rows of a typical batch of training or scoring. Algorithms are chosen for this number of rows. */
    static final long NOMINAL_ROWS = 4096;

    /** The same within {@link org.dpo4j.kernels.Device#withFewRows}: sequences of a decode step. */
    static final long FEW_ROWS = 64;

    /**
     * The alignment of addresses, as in dpo4j.h. Without it, cuBLASLt assumes 256 bytes. cuBLASLt derives the alignment
     * of rows from strides.
     */
    static final int ALIGNMENT = 16;

    /** The address of the bias of a product without one. */
    static final long NO_BIAS = 0;

    private MatmulRules() {}

    /**
     * The shape for which the algorithm is chosen, for all numbers of batch rows. Batch rows are {@code m}, the rows of
     * {@code a}: they become {@code rows}, {@link #NOMINAL_ROWS} or {@link #FEW_ROWS}. The number of a call is not a reason to
     * choose, not even rounded: a reference is scored in other batches than the policy, and must have the same bits. In the gradient of a weight, {@code a} is transposed and batch rows
     * are {@code k}: they are rounded up to a power of two, and not to one number, because longer sums gain more from
     * split-K. If {@code b} is transposed too, {@code k} may not exceed the stride of {@code b}, so the shape stays as
     * it is. The factor alpha does not matter.
     */
    static MatmulShape nominal(MatmulShape shape, long rows) {
        if (!shape.transposeA()) {
            return with(shape, rows, shape.k());
        }
        return shape.transposeB() ? shape.withAlpha(1) : with(shape, shape.m(), powerOfTwo(shape.k()));
    }

    private static MatmulShape with(MatmulShape s, long m, long k) {
        return new MatmulShape(m, s.n(), k, s.strides(), s.transposeA(), s.transposeB(), s.output(), s.inputs());
    }

    private static long powerOfTwo(long value) {
        return value <= 1 ? 1 : Long.highestOneBit(value - 1) << 1;
    }

    /**
     * Throws if cuBLASLt would refuse an argument without naming it, or would read out of bounds.
     */
    static void check(MatmulShape shape, long c, long a, long b) {
        extent("m", shape.m());
        extent("n", shape.n());
        extent("k", shape.k());
        checkTypes(shape);
        checkRows(shape);
        if (!Float.isFinite(shape.alpha())) {
            throw new Dpo4jException("matmul: alpha is " + shape.alpha() + ", must be finite");
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

    /** Throws if b is in panels, which only the cpu device reads. */
    private static void checkRows(MatmulShape shape) {
        if (shape.hasPanels()) {
            throw new Dpo4jException("matmul: b is in panels, which this device does not read: check hasPanels first");
        }
    }

    /** Throws if no device multiplies these types. */
    static void checkTypes(MatmulShape shape) {
        if (shape.output() == DType.F16 || shape.inputs() == DType.F16) {
            throw new Dpo4jException("matmul: F16 is for logits only: use BF16 or F32");
        }
        if (shape.output() == DType.BF16 && shape.inputs() == DType.F32) {
            throw new Dpo4jException("matmul: output BF16 of inputs F32 is not supported: use output F32");
        }
    }

    /** The same for the bias of a product that has one. */
    static void checkBias(MatmulShape shape, long bias) {
        address("bias", bias);
        if (shape.alpha() != 1) {
            throw new Dpo4jException("matmul: alpha is " + shape.alpha() + ", must be 1 with a bias");
        }
    }

    private static void extent(String name, long value) {
        if (value < 0) {
            throw new Dpo4jException("matmul: " + name + " is " + value + ", must be 0 or more");
        }
    }

    private static void operand(String name, long address, long width, long stride) {
        if (stride < width) {
            throw new Dpo4jException("matmul: stride of " + name + " is " + stride + ", must be at least " + width);
        }
        address(name, address);
    }

    private static void address(String name, long address) {
        if (address == 0) {
            throw new Dpo4jException("matmul: " + name + " is null");
        }
        if (address % ALIGNMENT != 0) {
            throw new Dpo4jException("matmul: " + name + " is not aligned to " + ALIGNMENT + " bytes");
        }
    }
}
