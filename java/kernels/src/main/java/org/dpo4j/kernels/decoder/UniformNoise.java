package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/** Uniform noise on embeddings, as in NEFTune (Jain et al. 2023). */
public final class UniformNoise {
    private UniformNoise() {}

    /**
     * The embeddings.
     *
     * @param address {@code dtype}[rows, stride], updated; elements from {@code width} on stay as they are
     */
    public record Matrix(long address, long rows, long width, long stride, DType dtype) {}

    /**
     * Addresses of what the noise of a row depends on.
     *
     * @param scale f32[rows]: the noise of a row is in {@code (-scale, scale)}; a row whose scale is 0 keeps its bits
     * @param sequence i32[rows], the number of the row's sequence
     * @param position i32[rows], the row's position in it
     * @param random u32[3]: low half of the seed, high half of the seed, step
     */
    public record Source(long scale, long sequence, long position, long random) {}

    /**
     * {@code out[row, column] += scale[row] u}, with u uniform in (-1, 1). {@code dpo4j.h} defines the random bits. They
     * depend only on seed, step, sequence, position and column.
     */
    public static void add(Device device, Matrix out, Source source) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_uniform_noise_params")
                .address("out", out.address)
                .address("scale", source.scale)
                .address("sequence", source.sequence)
                .address("position", source.position)
                .address("random", source.random)
                .int64("rows", out.rows)
                .int64("width", out.width)
                .int64("stride", out.stride)
                .int32("dtype", out.dtype.code());
        Status.check(context, Native.dpo4j_uniform_noise(context, params.end()));
    }
}
