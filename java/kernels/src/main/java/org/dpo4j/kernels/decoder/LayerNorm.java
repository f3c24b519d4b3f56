package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.NativeLibrary;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * {@code y = weight * (x - mean) / sqrt(variance + epsilon) + bias} for each row: Ba, Kiros and Hinton 2016. The
 * variance is the mean of the squared deviations.
 */
public final class LayerNorm {
    private LayerNorm() {}

    /**
     * The shape of the normalized matrix.
     *
     * @param meanWidth mean and variance are over the first {@code meanWidth} elements of a row. The others are padding:
     *     those of inputs have no effect, and those of results are 0
     */
    public record Shape(long rows, long width, long meanWidth, DType dtype) {

        /** Without padding. */
        public Shape(long rows, long width, DType dtype) {
            this(rows, width, width, dtype);
        }
    }

    /**
     * Addresses of the inputs.
     *
     * @param x [rows, width]
     * @param weight [width]
     * @param bias [width]; {@link #backward} does not read it
     */
    public record Inputs(long x, long weight, long bias) {}

    /**
     * Addresses of results of forward that {@link #backward} reads.
     *
     * @param mean f32[rows]
     * @param rstd f32[rows] = {@code 1 / sqrt(variance + epsilon)}
     */
    public record Saved(long mean, long rstd) {}

    /**
     * Addresses for {@link #forwardSum}.
     *
     * @param residual [rows, width], added to {@code x}
     * @param sum written, [rows, width]; may be {@code x} or {@code residual}
     */
    public record Sum(long residual, long sum) {
        private static final Sum NONE = new Sum(0, 0);
    }

    /**
     * Addresses of gradients.
     *
     * @param dOut read, [rows, width]
     * @param dResidual read, [rows, width], the gradient of {@code x} through the residual connection, which is added
     *     to {@code dX}; may be {@code dX}; 0: none
     * @param dX written, [rows, width]; may be {@code dOut}
     * @param dWeight accumulated, f32[width]; 0 if weight and bias are frozen
     * @param dBias accumulated, f32[width]; 0 exactly if {@code dWeight} is
     */
    public record Gradients(long dOut, long dResidual, long dX, long dWeight, long dBias) {}

    /** {@code out[row] = weight * (x[row] - mean[row]) * rstd[row] + bias}. */
    public static void forward(Device device, long out, Saved saved, Inputs inputs, Shape shape, float epsilon) {
        forwardSum(device, out, saved, inputs, Sum.NONE, shape, epsilon);
    }

    /**
     * {@code sum = x + residual}, rounded to its dtype, and the norm of {@code sum}, in one pass. The bits are those of
     * {@link Residual#forward} followed by {@link #forward}.
     */
    public static void forwardSum(
            Device device, long out, Saved saved, Inputs inputs, Sum sum, Shape shape, float epsilon) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_layer_norm_forward_params")
                .address("out", out)
                .address("mean", saved.mean)
                .address("rstd", saved.rstd)
                .address("sum", sum.sum)
                .address("x", inputs.x)
                .address("residual", sum.residual)
                .address("weight", inputs.weight)
                .address("bias", inputs.bias)
                .int64("rows", shape.rows)
                .int64("width", shape.width)
                .int64("mean_width", shape.meanWidth)
                .float32("epsilon", epsilon)
                .int32("dtype", shape.dtype.code());
        Status.check(context, Native.dpo4j_layer_norm_forward(context, params.end()));
    }

    /** Bytes of {@code workspace} for {@link #backward}, on any device. */
    public static long backwardWorkspaceBytes(long rows, long width) {
        NativeLibrary.load();
        return Native.dpo4j_layer_norm_backward_workspace_bytes(rows, width);
    }

    /**
     * Gradients of {@code x}, {@code weight} and {@code bias}.
     *
     * @param inputs those of {@link #forward}; after {@link #forwardSum}, {@code x} is the sum
     * @param saved from forward
     * @param workspace address of {@link #backwardWorkspaceBytes} bytes, contents undefined before and after
     */
    public static void backward(
            Device device, Gradients gradients, Inputs inputs, Saved saved, long workspace, Shape shape) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_layer_norm_backward_params")
                .address("d_x", gradients.dX)
                .address("d_weight", gradients.dWeight)
                .address("d_bias", gradients.dBias)
                .address("workspace", workspace)
                .address("d_out", gradients.dOut)
                .address("d_residual", gradients.dResidual)
                .address("x", inputs.x)
                .address("weight", inputs.weight)
                .address("mean", saved.mean)
                .address("rstd", saved.rstd)
                .int64("rows", shape.rows)
                .int64("width", shape.width)
                .int64("mean_width", shape.meanWidth)
                .int32("dtype", shape.dtype.code());
        Status.check(context, Native.dpo4j_layer_norm_backward(context, params.end()));
    }
}
