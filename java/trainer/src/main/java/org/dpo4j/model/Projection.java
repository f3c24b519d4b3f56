package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.MatmulShape;
import org.dpo4j.kernels.decoder.ColumnSum;
import org.dpo4j.model.family.ParameterKind;
import org.jspecify.annotations.Nullable;

/**
 * A matrix of the decoder, with or without bias and adapters: {@code y = x W^T + b} with W[out, in], and the gradients of
 * x, W and b. Rows are contiguous. If W is frozen, only the adapters have gradients ({@link LowRank}).
 */
final class Projection {
    private final Device device;
    private final DType dtype;
    private final Weights weights;
    private final Parameter weight;
    private final @Nullable Parameter bias;
    private final @Nullable LowRank lowRank;
    private final int in;
    private final int out;

    /** With a bias if the model has one for this weight, and with the adapters of its rows. */
    Projection(Weights weights, ParameterKind weight, int layer) {
        this.device = weights.device();
        this.dtype = weights.dtype();
        this.weights = weights;
        this.weight = weights.layout().parameter(weight, layer);
        this.bias = weights.layout().biasOrNull(weight, layer);
        this.lowRank = weights.lowRank(weight, layer);
        this.in = this.weight.columns().paddedSize();
        this.out = this.weight.rows().paddedSize();
    }

    /** Places what forward writes and backward reads: x A^T of the adapters, or 0 without them. */
    long placeSaved(Layout layout, long rows) {
        return lowRank == null ? 0 : layout.matrix(rows, lowRank.width(), dtype);
    }

    /** Places the gradient of what {@link #placeSaved} places, for any projection. */
    static long placeGradient(Layout layout, long rows, Weights weights) {
        return weights.maxLowRankWidth() == 0 ? 0 : layout.matrix(rows, weights.maxLowRankWidth(), weights.dtype());
    }

    /** Whether {@link #backward} reads x: if it adds to a gradient that is computed from it. */
    boolean readsInput() {
        return !weights.isFrozen() || lowRank != null;
    }

    boolean hasAdapters() {
        return lowRank != null;
    }

    /** Computes {@code saved} as {@link #forward} does, without y. */
    void recompute(long x, long saved, long rows) {
        if (lowRank != null) {
            lowRank.forwardHidden(x, saved, rows);
        }
    }

    /**
     * y[rows, out] = x[rows, in] W^T + b.
     *
     * @param saved from {@link #placeSaved}
     */
    void forward(long y, long x, long saved, long rows) {
        MatmulShape contiguous = MatmulShape.contiguous(rows, out, in, dtype, dtype);
        MatmulShape shape = weights.hasPanels(weight) ? contiguous.panelsB() : contiguous.transposedB();
        if (bias == null) {
            device.matmul(y, x, weights.matrix(weight), shape, false);
        } else {
            device.matmul(y, x, weights.matrix(weight), weights.weight(bias), shape);
        }
        if (lowRank != null) {
            lowRank.forward(y, out, x, saved, rows);
        }
    }

    /**
     * dX[rows, in] = dY[rows, out] W. Adds to the gradients of the weights, in f32: {@code dW += dY^T x} and {@code db +=}
     * sum of the rows of dY, or those of the adapters. The first pass of a step overwrites dW ({@link WeightGradients}), so a pass calls this
     * once.
     *
     * @param saved as in {@link #forward}
     * @param gradient from {@link #placeGradient}; overwritten
     */
    void backward(long dX, long dY, long x, long saved, long gradient, long rows) {
        weights.base().requireRows();
        if (lowRank != null) {
            lowRank.backwardWeights(dY, out, x, saved, gradient, rows);
        } else if (!weights.isFrozen()) {
            backwardWeight(dY, x, rows);
        }
        MatmulShape shape = MatmulShape.contiguous(rows, in, out, dtype, dtype);
        device.matmul(dX, dY, weights.matrix(weight), shape, false);
        if (lowRank != null) {
            lowRank.backwardInput(dX, gradient, rows);
        }
    }

    private void backwardWeight(long dY, long x, long rows) {
        MatmulShape shape =
                MatmulShape.contiguous(out, in, rows, DType.F32, dtype).transposedA();
        weights.gradients().addProduct(weight, dY, x, shape);
        if (bias != null) {
            ColumnSum.Matrix gradient = new ColumnSum.Matrix(dY, rows, out, out, dtype);
            ColumnSum.forward(device, weights.gradient(bias), gradient, ColumnSum.UNSCALED);
        }
    }
}
