package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * Rotary position embedding (Su et al. 2021), {@code (x1, x2) -> (x1 cos - x2 sin, x2 cos + x1 sin)}, where {@code x1}
 * and {@code x2} are the two halves of a head's first {@code rotaryWidth} elements, as in Hugging Face's Llama.
 */
public final class Rope {
    private Rope() {}

    /**
     * The shape of the rotated tensor.
     *
     * @param headWidth elements of a head
     * @param rotaryWidth the first elements of a head, which are rotated; the others do not change. Even, at most {@code
     *     headWidth}
     * @param rowStride elements between rows
     */
    public record Shape(long heads, long headWidth, long rotaryWidth, long rowStride, DType dtype) {

        /** Whole heads are rotated. */
        public Shape(long heads, long headWidth, long rowStride, DType dtype) {
            this(heads, headWidth, headWidth, rowStride, dtype);
        }
    }

    /**
     * The positions of the rows.
     *
     * @param address i32[count]
     */
    public record Positions(long address, long count) {}

    /**
     * Cosines and sines by position.
     *
     * @param cosine address of f32[positions, rotaryWidth / 2]
     * @param sine address of f32[positions, rotaryWidth / 2]
     * @param positions number of positions; a position outside {@code [0, positions)} makes its row NaN
     */
    public record Table(long cosine, long sine, long positions) {}

    /**
     * Rotates in place.
     *
     * @param x updated, [rows, heads, headWidth]
     */
    public static void forward(Device device, long x, Positions positions, Table table, Shape shape) {
        long context = device.context();
        Status.check(context, Native.dpo4j_rope_forward(context, params(x, positions, table, shape)));
    }

    /** Replaces the gradient of {@link #forward}'s result by that of its input, in place. */
    public static void backward(Device device, long dX, Positions positions, Table table, Shape shape) {
        long context = device.context();
        Status.check(context, Native.dpo4j_rope_backward(context, params(dX, positions, table, shape)));
    }

    private static long params(long x, Positions positions, Table table, Shape shape) {
        return StructWriter.begin("dpo4j_rope_params")
                .address("x", x)
                .address("positions", positions.address)
                .address("cosine", table.cosine)
                .address("sine", table.sine)
                .int64("rows", positions.count)
                .int64("heads", shape.heads)
                .int64("head_width", shape.headWidth)
                .int64("rotary_width", shape.rotaryWidth)
                .int64("row_stride", shape.rowStride)
                .int64("positions_end", table.positions)
                .int32("dtype", shape.dtype.code())
                .end();
    }
}
