package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;

/** {@code sums += in^T scale}: the gradient of a bias, from the gradient by what it was added to. */
public final class ColumnSum {
    private ColumnSum() {}

    /**
     * {@code sums[j] += sum over rows of scale[row] in[row,j]}, in an order that depends on rows and width alone.
     *
     * @param sums added to, f32[width]
     * @param in [rows, width]
     * @param scale f32[rows], or 0 for 1
     * @param inStride elements between rows
     */
    public static void forward(
            Device device, long sums, long in, long scale, long rows, long width, long inStride, DType dtype) {
        long context = device.context();
        Status.check(context, Native.dpo4j_column_sum(context, sums, in, scale, rows, width, inStride, dtype.code()));
    }
}
