package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/** Gathers rows, scatters rows, or both. */
public final class CopyRows {
    private CopyRows() {}

    /**
     * Where rows are read.
     *
     * @param address address of row 0
     * @param rows i32[shape.rows]: the row that is read for each {@code i}; 0 (null): row {@code i}
     * @param stride elements between rows
     */
    public record From(long address, long rows, long stride) {}

    /**
     * Where rows are written.
     *
     * @param address address of row 0
     * @param rows i32[shape.rows], no value twice: the row that is written for each {@code i}; 0: row {@code i}
     * @param stride elements between rows
     */
    public record To(long address, long rows, long stride) {}

    /** {@code to[to.rows[i]] = from[from.rows[i]]} for {@code i} in {@code [0, shape.rows)}. */
    public static void forward(Device device, To to, From from, MatrixShape shape) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_copy_rows_params")
                .address("out", to.address)
                .address("in", from.address)
                .address("out_rows", to.rows)
                .address("in_rows", from.rows)
                .int64("rows", shape.rows())
                .int64("width", shape.width())
                .int64("out_stride", to.stride)
                .int64("in_stride", from.stride)
                .int32("dtype", shape.dtype().code());
        Status.check(context, Native.dpo4j_copy_rows(context, params.end()));
    }
}
