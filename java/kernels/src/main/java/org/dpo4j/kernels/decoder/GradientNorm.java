package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.NativeLibrary;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * Global L2 norm of a gradient, and the clip factor of {@code torch.nn.utils.clip_grad_norm_}. Both stay on the device.
 */
public final class GradientNorm {
    private GradientNorm() {}

    /** Bytes of {@code workspace} for {@link #compute} at this size, on any device. */
    public static long workspaceBytes(long count) {
        NativeLibrary.load();
        return Native.dpo4j_gradient_norm_workspace_bytes(count);
    }

    /**
     * {@code norm = {L2 norm, min(1, maxNorm / (L2 norm + 1e-6))}}; if the norm is not finite, both are NaN.
     *
     * @param norm written, f32[2]: the norm and the clip factor
     * @param workspace {@link #workspaceBytes} bytes, contents undefined before and after
     * @param gradient f32[count]
     * @param maxNorm 0: no clipping, the factor is 1
     */
    public static void compute(Device device, long norm, long workspace, long gradient, long count, float maxNorm) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_gradient_norm_params")
                .address("norm", norm)
                .address("workspace", workspace)
                .address("gradient", gradient)
                .int64("count", count)
                .float32("max_norm", maxNorm);
        Status.check(context, Native.dpo4j_gradient_norm(context, params.end()));
    }
}
