package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/** Linear interpolation of arrays, for moving averages of weights. */
public final class Lerp {
    private Lerp() {}

    /** An array: its address and its type. */
    public record Array(long address, DType dtype) {}

    /**
     * {@code out += share (in - out)}, in f32.
     *
     * @param out [count], updated
     * @param in [count]
     * @param clip device address of the clip factor of {@link GradientNorm}, or 0; if the factor is NaN, {@code out}
     *     keeps its bits
     * @param share from 0, which changes nothing, to 1, which copies
     */
    public static void compute(Device device, Array out, Array in, long clip, long count, float share) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_lerp_params")
                .address("out", out.address)
                .address("in", in.address)
                .address("clip", clip)
                .int64("count", count)
                .float32("share", share)
                .int32("dtype", out.dtype.code())
                .int32("in_dtype", in.dtype.code());
        Status.check(context, Native.dpo4j_lerp(context, params.end()));
    }
}
