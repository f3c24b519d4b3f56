package org.dpo4j.model;

import java.util.List;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.MatmulShape;

/**
 * The LoRA adapters (Hu et al. 2021) of one projection {@code y = x W^T}. A target is a range of rows of W, such as the
 * rows of v in the fused matrix of q, k and v, with matrices A[rank, in] and B[out, rank] of its own:
 *
 * <pre>
 *   h = x A^T                 dB += scale dY^T h          dA += dH^T x
 *   y += scale h B^T          dH  = scale dY B            dX += dH A
 * </pre>
 *
 * The A of all targets are the rows of one matrix, so one product reads x for all of them. B A is never materialised.
 */
final class LowRank {

    /**
     * Adapters of some rows of W.
     *
     * @param b B[out, rank]
     * @param firstOutput first element of y that it adds to, with padding
     * @param scale the factor of B A
     */
    record Target(Parameter b, int firstOutput, float scale) {
        int outputs() {
            return b.rows().paddedSize();
        }
    }

    private final Device device;
    private final DType dtype;
    private final Parameters parameters;
    private final Parameter a;
    private final List<Target> targets;
    /** Elements of h for each target. */
    private final int rank;

    private final int in;

    /** {@code a}: the A of all targets, one below the other. */
    LowRank(Parameters parameters, Parameter a, List<Target> targets) {
        this.device = parameters.device();
        this.dtype = parameters.dtype();
        this.parameters = parameters;
        this.a = a;
        this.targets = List.copyOf(targets);
        this.rank = a.rows().paddedWidth();
        this.in = a.columns().paddedSize();
    }

    /** Elements of a row of h. */
    int width() {
        return a.rows().paddedSize();
    }

    /** y += scale h B^T, where y has {@code outputs} elements a row. Writes h[rows, width]. */
    void forward(long y, int outputs, long x, long h, long rows) {
        forwardHidden(x, h, rows);
        for (int i = 0; i < targets.size(); i++) {
            Target target = targets.get(i);
            MatmulShape shape = MatmulShape.contiguous(rows, target.outputs(), rank, dtype, dtype)
                    .transposedB()
                    .withStrides(new MatmulShape.Strides(outputs, width(), rank))
                    .withAlpha(target.scale);
            device.matmul(output(y, target), hidden(h, i), parameters.weight(target.b), shape, true);
        }
    }

    /** Writes h[rows, width] = x A^T. */
    void forwardHidden(long x, long h, long rows) {
        MatmulShape shape =
                MatmulShape.contiguous(rows, width(), in, dtype, dtype).transposedB();
        device.matmul(h, x, parameters.weight(a), shape, false);
    }

    /** Adds to the gradients of A and B, once in a pass ({@link WeightGradients}). Writes the gradient of h to dH[rows, width]. */
    void backwardWeights(long dY, int outputs, long x, long h, long dH, long rows) {
        for (int i = 0; i < targets.size(); i++) {
            Target target = targets.get(i);
            long dOutput = output(dY, target);
            MatmulShape ofHidden = MatmulShape.contiguous(rows, rank, target.outputs(), dtype, dtype)
                    .withStrides(new MatmulShape.Strides(width(), outputs, rank))
                    .withAlpha(target.scale);
            device.matmul(hidden(dH, i), dOutput, parameters.weight(target.b), ofHidden, false);
            MatmulShape ofB = MatmulShape.contiguous(target.outputs(), rank, rows, DType.F32, dtype)
                    .transposedA()
                    .withStrides(new MatmulShape.Strides(rank, outputs, width()))
                    .withAlpha(target.scale);
            parameters.weightGradients().addProduct(target.b, dOutput, hidden(h, i), ofB);
        }
        MatmulShape ofA =
                MatmulShape.contiguous(width(), in, rows, DType.F32, dtype).transposedA();
        parameters.weightGradients().addProduct(a, dH, x, ofA);
    }

    /** dX[rows, in] += dH A. */
    void backwardInput(long dX, long dH, long rows) {
        MatmulShape shape = MatmulShape.contiguous(rows, in, width(), dtype, dtype);
        device.matmul(dX, dH, parameters.weight(a), shape, true);
    }

    /** Adds scale B A to the rows of a matrix W[.., in] of these parameters' dtype. */
    void merge(long w) {
        for (int i = 0; i < targets.size(); i++) {
            Target target = targets.get(i);
            MatmulShape shape = MatmulShape.contiguous(target.outputs(), in, rank, dtype, dtype)
                    .withAlpha(target.scale);
            long rows = w + (long) target.firstOutput * in * dtype.bytes();
            long ofTarget = parameters.weight(a) + (long) i * rank * in * dtype.bytes();
            device.matmul(rows, parameters.weight(target.b), ofTarget, shape, true);
        }
    }

    private long output(long y, Target target) {
        return y + (long) target.firstOutput * dtype.bytes();
    }

    private long hidden(long h, int target) {
        return h + (long) target * rank * dtype.bytes();
    }
}
