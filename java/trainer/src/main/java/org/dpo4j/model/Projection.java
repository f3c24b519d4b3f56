package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.MatmulShape;

/** A matrix of the decoder: {@code y = x W^T} with W[out, in], and the gradients of x and W. Rows are contiguous. */
final class Projection {
    private final Device device;
    private final DType dtype;
    private final Parameters parameters;
    private final Parameter weight;
    private final int in;
    private final int out;

    Projection(Parameters parameters, Parameter weight) {
        this.device = parameters.device();
        this.dtype = parameters.dtype();
        this.parameters = parameters;
        this.weight = weight;
        this.in = weight.columns().paddedSize();
        this.out = weight.rows().paddedSize();
    }

    /** y[rows, out] = x[rows, in] W^T. */
    void forward(long y, long x, long rows) {
        MatmulShape shape = MatmulShape.contiguous(rows, out, in, dtype, dtype).transposedB();
        device.matmul(y, x, parameters.weight(weight), shape, false);
    }

    /** dX[rows, in] = dY[rows, out] W. */
    void backwardInput(long dX, long dY, long rows) {
        MatmulShape shape = MatmulShape.contiguous(rows, in, out, dtype, dtype);
        device.matmul(dX, dY, parameters.weight(weight), shape, false);
    }

    /** dW[out, in] += dY^T x, in f32. */
    void backwardWeight(long dY, long x, long rows) {
        MatmulShape shape =
                MatmulShape.contiguous(out, in, rows, DType.F32, dtype).transposedA();
        device.matmul(parameters.gradient(weight), dY, x, shape, true);
    }
}
