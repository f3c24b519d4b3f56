package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.MatmulShape;
import org.dpo4j.kernels.decoder.ColumnSum;
import org.dpo4j.model.family.ParameterKind;
import org.jspecify.annotations.Nullable;

/**
 * A matrix of the decoder, with or without bias: {@code y = x W^T + b} with W[out, in], and the gradients of x, W and b.
 * Rows are contiguous.
 */
final class Projection {
    private final Device device;
    private final DType dtype;
    private final Parameters parameters;
    private final Parameter weight;
    private final @Nullable Parameter bias;
    private final int in;
    private final int out;

    /** With a bias if the model has one for this weight. */
    Projection(Parameters parameters, ParameterKind weight, int layer) {
        this.device = parameters.device();
        this.dtype = parameters.dtype();
        this.parameters = parameters;
        this.weight = parameters.layout().parameter(weight, layer);
        this.bias = parameters.layout().biasOrNull(weight, layer);
        this.in = this.weight.columns().paddedSize();
        this.out = this.weight.rows().paddedSize();
    }

    /** y[rows, out] = x[rows, in] W^T + b. */
    void forward(long y, long x, long rows) {
        MatmulShape shape = MatmulShape.contiguous(rows, out, in, dtype, dtype).transposedB();
        if (bias == null) {
            device.matmul(y, x, parameters.weight(weight), shape, false);
        } else {
            device.matmul(y, x, parameters.weight(weight), parameters.weight(bias), shape);
        }
    }

    /** dX[rows, in] = dY[rows, out] W. */
    void backwardInput(long dX, long dY, long rows) {
        MatmulShape shape = MatmulShape.contiguous(rows, in, out, dtype, dtype);
        device.matmul(dX, dY, parameters.weight(weight), shape, false);
    }

    /** dW[out, in] += dY^T x and db[out] += sum of the rows of dY, in f32. */
    void backwardWeight(long dY, long x, long rows) {
        MatmulShape shape =
                MatmulShape.contiguous(out, in, rows, DType.F32, dtype).transposedA();
        device.matmul(parameters.gradient(weight), dY, x, shape, true);
        if (bias != null) {
            ColumnSum.Matrix gradient = new ColumnSum.Matrix(dY, rows, out, out, dtype);
            ColumnSum.forward(device, parameters.gradient(bias), gradient, ColumnSum.UNSCALED);
        }
    }
}
