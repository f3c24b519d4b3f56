package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;

/**
 * Rotary positions (Su et al. 2021) on half-split pairs as in Hugging Face's Llama: {@code (x1, x2) -> (x1 cos - x2
 * sin, x2 cos + x1 sin)} with {@code x1, x2} the halves of a head.
 */
public final class Rope {
    private Rope() {}

    /**
     * Rotates in place. A position outside {@code [0, positionsEnd)} turns its row into NaN.
     *
     * @param x in and out, [rows, heads, headWidth], rows {@code rowStride} apart
     * @param positions i32[rows]
     * @param cosine f32[positionsEnd, headWidth / 2]
     * @param sine f32[positionsEnd, headWidth / 2]
     */
    public static void forward(
            Device device,
            long x,
            long positions,
            long cosine,
            long sine,
            long rows,
            long heads,
            long headWidth,
            long rowStride,
            long positionsEnd,
            DType dtype) {
        long context = device.context();
        Status.check(
                context,
                Native.dpo4j_rope_forward(
                        context,
                        x,
                        positions,
                        cosine,
                        sine,
                        rows,
                        heads,
                        headWidth,
                        rowStride,
                        positionsEnd,
                        dtype.code()));
    }

    /** The inverse rotation, in place on {@code dX}: what {@link #forward} does to {@code x}, undone. */
    public static void backward(
            Device device,
            long dX,
            long positions,
            long cosine,
            long sine,
            long rows,
            long heads,
            long headWidth,
            long rowStride,
            long positionsEnd,
            DType dtype) {
        long context = device.context();
        Status.check(
                context,
                Native.dpo4j_rope_backward(
                        context,
                        dX,
                        positions,
                        cosine,
                        sine,
                        rows,
                        heads,
                        headWidth,
                        rowStride,
                        positionsEnd,
                        dtype.code()));
    }
}
