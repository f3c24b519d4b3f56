package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/** A matrix from the codes that {@link Quantize4bit} writes, with the bits of bitsandbytes. */
public final class Dequantize4bit {
    /** Numbers of the map by which absmax values are stored in 8 bits. */
    public static final int NESTED_CODES = 256;

    private Dequantize4bit() {}

    /**
     * A quantised matrix.
     *
     * @param codes u8, as {@link Quantize4bit} writes them
     * @param absmax of its blocks
     * @param width columns
     * @param valueDtype storage of the tensor that was quantised: values are rounded to it, and then to that of the result
     */
    public record Codes(long codes, Absmax absmax, long width, QuantType type, DType valueDtype) {}

    /**
     * The absmax of each block: f32, or {@code map[code] * factor + offset} with a code of 8 bits.
     *
     * @param f32 an absmax for each block; 0 (null) if they are stored in 8 bits
     * @param nested u8, a code for each block; 0 if they are stored in fp32
     * @param map f32[{@value #NESTED_CODES}]
     * @param factors f32, one for each {@value Quantize4bit#NESTED_BLOCK} blocks
     * @param offset added to each
     */
    public record Absmax(long f32, long nested, long map, long factors, float offset) {
        /** In fp32. */
        public Absmax(long f32) {
            this(f32, 0, 0, 0, 0);
        }

        /** In 8 bits. */
        public Absmax(long nested, long map, long factors, float offset) {
            this(0, nested, map, factors, offset);
        }
    }

    /**
     * Where the matrix is written, row by row without gaps.
     *
     * @param address of row 0
     * @param rows number of rows
     * @param inRows i32[rows]: the row of the quantised matrix that a row holds, or -1 for a row of zeros; 0 (null): the
     *     same row
     * @param group columns between which there is no padding; divides the width of the quantised matrix
     * @param groupStride elements between starts of groups; what is between groups is 0
     * @param dtype storage
     */
    public record Matrix(long address, long rows, long inRows, long group, long groupStride, DType dtype) {}

    /** Writes the matrix. */
    public static void forward(Device device, Matrix out, Codes in) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_dequantize_4bit_params")
                .address("out", out.address)
                .address("codes", in.codes)
                .address("absmax", in.absmax.f32)
                .address("nested", in.absmax.nested)
                .address("nested_map", in.absmax.map)
                .address("nested_absmax", in.absmax.factors)
                .address("in_rows", out.inRows)
                .int64("rows", out.rows)
                .int64("width", in.width)
                .int64("group", out.group)
                .int64("group_stride", out.groupStride)
                .float32("nested_offset", in.absmax.offset)
                .int32("quant_type", in.type.code())
                .int32("value_dtype", in.valueDtype.code())
                .int32("dtype", out.dtype.code());
        Status.check(context, Native.dpo4j_dequantize_4bit(context, params.end()));
    }
}
