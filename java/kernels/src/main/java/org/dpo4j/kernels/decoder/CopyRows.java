package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;

/** Rows gathered, scattered, or both. */
public final class CopyRows {
    private CopyRows() {}

    /**
     * {@code out[outRows[i]] = in[inRows[i]]} for {@code i} in {@code [0, rows)}.
     *
     * @param out out, rows of {@code width} elements {@code outStride} apart
     * @param in rows of {@code width} elements {@code inStride} apart
     * @param outRows i32[rows], no row twice; or 0 for {@code i} itself
     * @param inRows i32[rows]; or 0 for {@code i} itself
     */
    public static void forward(
            Device device,
            long out,
            long in,
            long outRows,
            long inRows,
            long rows,
            long width,
            long outStride,
            long inStride,
            DType dtype) {
        long context = device.context();
        Status.check(
                context,
                Native.dpo4j_copy_rows(
                        context, out, in, outRows, inRows, rows, width, outStride, inStride, dtype.code()));
    }
}
