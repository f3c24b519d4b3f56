package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/** Quantises a tensor to 4 bits, as bitsandbytes does on the CPU (Dettmers et al. 2023). */
public final class Quantize4bit {
    /** Consecutive elements that share an absmax. */
    public static final int BLOCK = 64;
    /** Absmax values that share a factor if they are stored in 8 bits. */
    public static final int NESTED_BLOCK = 256;

    private Quantize4bit() {}

    /** Number of absmax values of {@code count} elements. */
    public static long blocks(long count) {
        return (count + BLOCK - 1) / BLOCK;
    }

    /** Bytes of the codes of {@code count} elements. */
    public static long codeBytes(long count) {
        return (count + 1) / 2;
    }

    /**
     * Where the result is written.
     *
     * @param codes u8[{@link #codeBytes}]: element 2 i in the high half of byte i, element 2 i + 1 in the low half
     * @param absmax f32[{@link #blocks}], max |x| of each block; NaN for a block with a NaN or an infinity
     */
    public record Results(long codes, long absmax) {}

    /**
     * The code of an element is that of the number of the map nearest to {@code x (1 / absmax)}.
     *
     * @param in {@code dtype}[count], without padding
     */
    public static void forward(Device device, Results out, long in, long count, QuantType type, DType dtype) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_quantize_4bit_params")
                .address("codes", out.codes)
                .address("absmax", out.absmax)
                .address("in", in)
                .int64("count", count)
                .int32("quant_type", type.code())
                .int32("dtype", dtype.code());
        Status.check(context, Native.dpo4j_quantize_4bit(context, params.end()));
    }
}
