package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.internal.StructWriter;

/** A matrix of {@code rows} rows with {@code width} elements each. */
public record MatrixShape(long rows, long width, DType dtype) {
    void write(StructWriter params) {
        params.int64("rows", rows).int64("width", width).int32("dtype", dtype.code());
    }
}
