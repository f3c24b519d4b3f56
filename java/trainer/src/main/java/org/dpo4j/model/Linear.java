package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.MatmulShape;

/**
 * {@code y = x W^T} with W[out, in], as Hugging Face stores projections, and its two gradients. Rows are contiguous.
 */
record Linear(Device device, DType dtype, int in, int out) {

    /** y[rows, out] = x[rows, in] W^T. */
    void forward(long y, long x, long weight, long rows) {
        MatmulShape shape = MatmulShape.contiguous(rows, out, in, dtype, dtype).transposedB();
        device.matmul(y, x, weight, shape, false);
    }

    /** dX[rows, in] = dY[rows, out] W. */
    void backwardInput(long dX, long dY, long weight, long rows) {
        device.matmul(dX, dY, weight, MatmulShape.contiguous(rows, in, out, dtype, dtype), false);
    }

    /** dW[out, in] += dY^T x, in f32. */
    void backwardWeight(long dWeight, long dY, long x, long rows) {
        MatmulShape shape =
                MatmulShape.contiguous(out, in, rows, DType.F32, dtype).transposedA();
        device.matmul(dWeight, dY, x, shape, true);
    }
}
