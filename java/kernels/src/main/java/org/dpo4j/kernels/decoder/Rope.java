package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * Rotary positions (Su et al. 2021) on half-split pairs as in Hugging Face's Llama: {@code (x1, x2) -> (x1 cos - x2
 * sin, x2 cos + x1 sin)} with {@code x1, x2} the halves of a head.
 */
public final class Rope {
    private Rope() {}

    /**
     * What a model fixes of the rotated tensor.
     *
     * @param headWidth elements of a head, even
     * @param rowStride elements between rows
     */
    public record Shape(long heads, long headWidth, long rowStride, DType dtype) {}

    /**
     * The positions of the rows.
     *
     * @param address of i32[count]
     */
    public record Positions(long address, long count) {}

    /**
     * Angles of positions.
     *
     * @param cosine address of f32[positions, headWidth / 2]
     * @param sine address of f32[positions, headWidth / 2]
     * @param positions that the table has; one outside {@code [0, positions)} turns its row into NaN
     */
    public record Table(long cosine, long sine, long positions) {}

    /**
     * Rotates in place.
     *
     * @param x in and out, [rows, heads, headWidth]
     */
    public static void forward(Device device, long x, Positions positions, Table table, Shape shape) {
        long context = device.context();
        Status.check(context, Native.dpo4j_rope_forward(context, params(x, positions, table, shape)));
    }

    /** The inverse rotation, in place on the gradient of {@link #forward}'s result. */
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
                .int64("row_stride", shape.rowStride)
                .int64("positions_end", table.positions)
                .int32("dtype", shape.dtype.code())
                .end();
    }
}
