package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;

/**
 * {@code y = x W^T} with W[out, in], as Hugging Face stores projections, and its two gradients. Rows are contiguous.
 */
record Linear(Device device, DType dtype, int in, int out) {

    /** y[rows, out] = x[rows, in] W^T. */
    void forward(long y, long x, long weight, long rows) {
        device.matmul(y, x, weight, rows, out, in, out, in, in, false, true, false, dtype, dtype);
    }

    /** dX[rows, in] = dY[rows, out] W. */
    void backwardInput(long dX, long dY, long weight, long rows) {
        device.matmul(dX, dY, weight, rows, in, out, in, out, in, false, false, false, dtype, dtype);
    }

    /** dW[out, in] += dY^T x, in f32. */
    void backwardWeight(long dWeight, long dY, long x, long rows) {
        device.matmul(dWeight, dY, x, out, in, rows, in, out, in, true, false, true, DType.F32, dtype);
    }
}
