package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.NativeLibrary;
import org.dpo4j.kernels.internal.Status;

/** {@code y = w * x / sqrt(mean(x^2) + epsilon)} by rows: Zhang and Sennrich 2019. */
public final class RmsNorm {
    private RmsNorm() {}

    /**
     * {@code out[row] = weight * x[row] * rstd[row]}.
     *
     * @param out out, [rows, width]
     * @param rstd out, f32[rows]: 1 / the root, kept for {@link #backward}
     * @param x [rows, width]
     * @param weight [width]
     */
    public static void forward(
            Device device,
            long out,
            long rstd,
            long x,
            long weight,
            long rows,
            long width,
            float epsilon,
            DType dtype) {
        forwardSum(device, out, rstd, 0, x, 0, weight, rows, width, epsilon, dtype);
    }

    /**
     * {@code sum = x + residual}, rounded as it is stored, and its norm, in one pass: the bits of {@link Residual} and
     * then {@link #forward}.
     *
     * @param out out, [rows, width]
     * @param rstd out, f32[rows]: 1 / the root, kept for {@link #backward}
     * @param sum out, [rows, width], may be {@code x} or {@code residual}
     * @param x [rows, width]
     * @param residual [rows, width]
     * @param weight [width]
     */
    public static void forwardSum(
            Device device,
            long out,
            long rstd,
            long sum,
            long x,
            long residual,
            long weight,
            long rows,
            long width,
            float epsilon,
            DType dtype) {
        long context = device.context();
        Status.check(
                context,
                Native.dpo4j_rms_norm_forward(
                        context, out, rstd, sum, x, residual, weight, rows, width, epsilon, dtype.code()));
    }

    /** Bytes of {@code workspace} for {@link #backward} at these sizes, on any device. */
    public static long backwardWorkspaceBytes(long rows, long width) {
        NativeLibrary.load();
        return Native.dpo4j_rms_norm_backward_workspace_bytes(rows, width);
    }

    /**
     * Gradients of {@code x} and {@code weight}.
     *
     * @param dX out, [rows, width]: {@code dResidual} + the gradient of {@code x}
     * @param dWeight added to, f32[width]
     * @param workspace {@link #backwardWorkspaceBytes} bytes, contents undefined before and after
     * @param dOut [rows, width]
     * @param dResidual [rows, width], may be {@code dX} itself, as the residual stream wants; or 0 for none
     * @param x [rows, width]
     * @param weight [width]
     * @param rstd f32[rows], of {@link #forward}
     */
    public static void backward(
            Device device,
            long dX,
            long dWeight,
            long workspace,
            long dOut,
            long dResidual,
            long x,
            long weight,
            long rstd,
            long rows,
            long width,
            DType dtype) {
        long context = device.context();
        Status.check(
                context,
                Native.dpo4j_rms_norm_backward(
                        context, dX, dWeight, workspace, dOut, dResidual, x, weight, rstd, rows, width, dtype.code()));
    }
}
