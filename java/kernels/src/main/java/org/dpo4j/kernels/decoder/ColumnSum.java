package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/** {@code sums += in^T scale}: the gradient of a bias, from the gradient of the rows to which it was added. */
public final class ColumnSum {
    /** The {@code scale} of {@link #forward} that is 1 for every row. */
    public static final long UNSCALED = 0;

    /**
     * The matrix whose rows are summed.
     *
     * @param address {@code dtype[rows, width]}
     * @param stride elements between rows
     */
    public record Matrix(long address, long rows, long width, long stride, DType dtype) {}

    private ColumnSum() {}

    /**
     * {@code sums[j] += sum over rows of scale[row] in[row,j]}, in an order that depends only on rows and width.
     *
     * @param sums accumulated, f32[width]
     * @param scale f32[rows], or {@link #UNSCALED}
     */
    public static void forward(Device device, long sums, Matrix in, long scale) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_column_sum_params")
                .address("sums", sums)
                .address("in", in.address)
                .int64("rows", in.rows)
                .int64("width", in.width)
                .int64("in_stride", in.stride)
                .int32("dtype", in.dtype.code())
                .address("scale", scale);
        Status.check(context, Native.dpo4j_column_sum(context, params.end()));
    }
}
