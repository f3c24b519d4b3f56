package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.NativeLibrary;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/** {@code y = w * x / sqrt(mean(x^2) + epsilon)} for each group of each row: Zhang and Sennrich 2019. */
public final class RmsNorm {
    private RmsNorm() {}

    /**
     * The shape of the normalized tensor, [rows, groups, width]. Groups are normalized each by itself, with one weight
     * for all: the heads of a query.
     *
     * @param meanWidth the sum of squares of a group is divided by this. If it is below {@code width}, the other
     *     elements of each group are padding. The caller sets them to 0 in all inputs; the operation then writes 0 to them
     */
    public record Shape(long rows, long groups, long width, long meanWidth, Strides strides, DType dtype) {

        /** Contiguous rows of one group. */
        public Shape(long rows, long width, long meanWidth, DType dtype) {
            this(rows, 1, width, meanWidth, new Strides(width, width), dtype);
        }

        /** The same without padding. */
        public Shape(long rows, long width, DType dtype) {
            this(rows, width, width, dtype);
        }
    }

    /**
     * Elements between rows, at least those of all groups.
     *
     * @param x stride of {@code x}, {@code residual} and {@code sum}
     * @param out stride of {@code out}, {@code dOut}, {@code dResidual} and {@code dX}
     */
    public record Strides(long x, long out) {}

    /**
     * Addresses of the inputs.
     *
     * @param x [rows, groups, width]
     * @param weight [width]
     * @param weightOffset is added to the weight, in fp32: {@code w = weight + weightOffset}
     */
    public record Inputs(long x, long weight, float weightOffset) {

        /** {@code w = weight}. */
        public Inputs(long x, long weight) {
            this(x, weight, 0);
        }
    }

    /**
     * Addresses of the results of forward.
     *
     * @param out [rows, groups, width]
     * @param rstd f32[rows, groups] = {@code 1 / sqrt(mean(x^2) + epsilon)}, which {@link #backward} reads
     */
    public record Results(long out, long rstd) {}

    /**
     * Addresses for {@link #forwardSum}.
     *
     * @param residual [rows, groups, width], added to {@code x}
     * @param sum written, [rows, groups, width]; may be {@code x} or {@code residual}
     */
    public record Sum(long residual, long sum) {
        private static final Sum NONE = new Sum(0, 0);
    }

    /**
     * Addresses of gradients.
     *
     * @param dOut read, [rows, groups, width]
     * @param dResidual read, [rows, groups, width], and added to the gradient of {@code x}; may be {@code dX}, so that
     *     it accumulates the residual stream's gradient; 0: none
     * @param dX written, [rows, groups, width]; may be {@code dOut}
     * @param dWeight accumulated, f32[width]; 0 if the weight is frozen
     */
    public record Gradients(long dOut, long dResidual, long dX, long dWeight) {}

    /** {@code out[row] = w * x[row] * rstd[row]}. */
    public static void forward(Device device, Results results, Inputs inputs, Shape shape, float epsilon) {
        forwardSum(device, results, inputs, Sum.NONE, shape, epsilon);
    }

    /**
     * {@code sum = x + residual}, rounded to its dtype, and the norm of {@code sum}, in one pass. The bits are those of
     * {@link Residual#forward} followed by {@link #forward}.
     */
    public static void forwardSum(Device device, Results results, Inputs inputs, Sum sum, Shape shape, float epsilon) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_rms_norm_forward_params")
                .address("out", results.out)
                .address("rstd", results.rstd)
                .address("sum", sum.sum)
                .address("x", inputs.x)
                .address("residual", sum.residual)
                .address("weight", inputs.weight)
                .int64("rows", shape.rows)
                .int64("groups", shape.groups)
                .int64("width", shape.width)
                .int64("mean_width", shape.meanWidth)
                .int64("out_stride", shape.strides.out)
                .int64("x_stride", shape.strides.x)
                .float32("epsilon", epsilon)
                .float32("weight_offset", inputs.weightOffset)
                .int32("dtype", shape.dtype.code());
        Status.check(context, Native.dpo4j_rms_norm_forward(context, params.end()));
    }

    /** Bytes of {@code workspace} for {@link #backward} of {@code rows} groups in all rows, on any device. */
    public static long backwardWorkspaceBytes(long rows, long width) {
        NativeLibrary.load();
        return Native.dpo4j_rms_norm_backward_workspace_bytes(rows, width);
    }

    /**
     * Gradients of {@code x} and {@code weight}.
     *
     * @param inputs those of {@link #forward}; after {@link #forwardSum}, {@code x} is the sum
     * @param rstd f32[rows, groups] from forward
     * @param workspace address of {@link #backwardWorkspaceBytes} bytes, contents undefined before and after
     */
    public static void backward(
            Device device, Gradients gradients, Inputs inputs, long rstd, long workspace, Shape shape) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_rms_norm_backward_params")
                .address("d_x", gradients.dX)
                .address("d_weight", gradients.dWeight)
                .address("workspace", workspace)
                .address("d_out", gradients.dOut)
                .address("d_residual", gradients.dResidual)
                .address("x", inputs.x)
                .address("weight", inputs.weight)
                .address("rstd", rstd)
                .int64("rows", shape.rows)
                .int64("groups", shape.groups)
                .int64("width", shape.width)
                .int64("mean_width", shape.meanWidth)
                .int64("out_stride", shape.strides.out)
                .int64("x_stride", shape.strides.x)
                .float32("weight_offset", inputs.weightOffset)
                .int32("dtype", shape.dtype.code());
        Status.check(context, Native.dpo4j_rms_norm_backward(context, params.end()));
    }
}
