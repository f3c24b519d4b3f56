package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/** {@code y = silu(gate) * up}: Shazeer 2020. A row of {@code gateUp} is gate, then up. */
public final class Swiglu {
    private Swiglu() {}

    /**
     * {@code out = silu(gate) * up}.
     *
     * @param out written, [rows, width]
     * @param gateUp [rows, 2 width]
     * @param shape of {@code out}
     */
    public static void forward(Device device, long out, long gateUp, MatrixShape shape) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_swiglu_forward_params")
                .address("out", out)
                .address("gate_up", gateUp);
        shape.write(params);
        Status.check(context, Native.dpo4j_swiglu_forward(context, params.end()));
    }

    /**
     * Gradients of {@code gate} and {@code up}.
     *
     * @param dGateUp written, [rows, 2 width]; may be {@code gateUp}
     * @param dOut [rows, width]
     * @param gateUp [rows, 2 width]
     * @param shape of {@code dOut}
     */
    public static void backward(Device device, long dGateUp, long dOut, long gateUp, MatrixShape shape) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_swiglu_backward_params")
                .address("d_gate_up", dGateUp)
                .address("d_out", dOut)
                .address("gate_up", gateUp);
        shape.write(params);
        Status.check(context, Native.dpo4j_swiglu_backward(context, params.end()));
    }
}
