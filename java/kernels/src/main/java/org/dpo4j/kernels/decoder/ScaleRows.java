package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;

/**
 * {@code out = diag(scale) in}: makes a unit gradient, of what is linear in one number a row, the gradient itself. So
 * the long rows of {@link org.dpo4j.kernels.TokenLogProb}'s gradient need no second look once the loss is known.
 */
public final class ScaleRows {
    private ScaleRows() {}

    /**
     * {@code out[row,:] = scale[row] in[row,:]}, rounded once.
     *
     * @param out out, [rows, width]; may be {@code in} itself
     * @param in [rows, width]
     * @param scale f32[rows]
     */
    public static void forward(Device device, long out, long in, long scale, long rows, long width, DType dtype) {
        long context = device.context();
        Status.check(context, Native.dpo4j_scale_rows(context, out, in, scale, rows, width, dtype.code()));
    }
}
