package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * A factor per row. It makes the gradient of a loss from the unit gradient of {@link org.dpo4j.kernels.TokenLogProb},
 * so that logits are read once, before the loss is known.
 */
public final class ScaleRows {
    private ScaleRows() {}

    /**
     * {@code out[row,:] = scale[row] in[row,:]}, rounded once.
     *
     * @param out written, [rows, width]; may be {@code in}
     * @param in [rows, width]
     * @param scale f32[rows]
     */
    public static void forward(Device device, long out, long in, long scale, MatrixShape shape) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_scale_rows_params")
                .address("out", out)
                .address("in", in)
                .address("scale", scale);
        shape.write(params);
        Status.check(context, Native.dpo4j_scale_rows(context, params.end()));
    }
}
