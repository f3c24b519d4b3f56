package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * {@code out = a + b}. There is no backward: the gradient of both inputs is that of {@code out}, which {@link
 * RmsNorm#backward} adds.
 */
public final class Residual {
    private Residual() {}

    /**
     * {@code out[i] = a[i] + b[i]}.
     *
     * @param out written, [count]; may be {@code a} or {@code b}
     * @param a [count]
     * @param b [count]
     */
    public static void forward(Device device, long out, long a, long b, long count, DType dtype) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_residual_forward_params")
                .address("out", out)
                .address("a", a)
                .address("b", b)
                .int64("count", count)
                .int32("dtype", dtype.code());
        Status.check(context, Native.dpo4j_residual_forward(context, params.end()));
    }
}
