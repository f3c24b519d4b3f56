package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * {@link AdamW} with moments of 8 bits, as {@code AdamW8bit} of bitsandbytes (Dettmers et al. 2022). Blocks of {@value
 * #BLOCK} elements have a maximum each; a code stands for a share of it. {@code dpo4j.h} defines the codes.
 */
public final class AdamW8bit {
    /** Elements that share a maximum. */
    public static final int BLOCK = 256;

    private AdamW8bit() {}

    /** Number of blocks of {@code count} elements. */
    public static long blocks(long count) {
        return (count + BLOCK - 1) / BLOCK;
    }

    /**
     * Addresses of the moments, all updated. All 0 is moments of 0.
     *
     * @param m u8[count], codes of the mean of the gradient
     * @param v u8[count], codes of the mean of the squared gradient
     * @param mMax f32[{@link #blocks}]
     * @param vMax f32[{@link #blocks}]
     */
    public record Moments(long m, long v, long mMax, long vMax) {}

    /** The step of {@link AdamW#step}, with the same rates, before the moments are stored in 8 bits. */
    public static void step(Device device, WeightUpdate update, Moments moments, AdamWOptions options) {
        long context = device.context();
        StructWriter params = update.begin("dpo4j_adamw_8bit_params")
                .address("m", moments.m)
                .address("v", moments.v)
                .address("m_max", moments.mMax)
                .address("v_max", moments.vMax);
        options.write(update.writeInputs(params))
                .int32("dtype", update.parameters().dtype().code());
        Status.check(context, Native.dpo4j_adamw_8bit(context, params.end()));
    }
}
