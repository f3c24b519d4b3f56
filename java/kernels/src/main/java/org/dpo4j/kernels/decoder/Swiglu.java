package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;

/** {@code y = silu(gate) * up}: Shazeer 2020. A row of {@code gateUp} holds gate, then up. */
public final class Swiglu {
    private Swiglu() {}

    /**
     * {@code out = silu(gate) * up}.
     *
     * @param out out, [rows, width]
     * @param gateUp [rows, 2 width]
     */
    public static void forward(Device device, long out, long gateUp, long rows, long width, DType dtype) {
        long context = device.context();
        Status.check(context, Native.dpo4j_swiglu_forward(context, out, gateUp, rows, width, dtype.code()));
    }

    /**
     * Gradients of {@code gate} and {@code up}.
     *
     * @param dGateUp out, [rows, 2 width]; may be {@code gateUp} itself
     * @param dOut [rows, width]
     * @param gateUp [rows, 2 width]
     */
    public static void backward(
            Device device, long dGateUp, long dOut, long gateUp, long rows, long width, DType dtype) {
        long context = device.context();
        Status.check(context, Native.dpo4j_swiglu_backward(context, dGateUp, dOut, gateUp, rows, width, dtype.code()));
    }
}
