package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/** The function between the matrix products of an MLP: {@code y = f(x)}, or with a gate {@code y = f(x) * up}. */
public final class Activation {
    private Activation() {}

    /** f. */
    public enum Kind {
        /** {@code x sigmoid(x)}. */
        SILU(0),
        /** {@code x Phi(x)} (Hendrycks and Gimpel 2016): PyTorch's gelu. */
        GELU_ERF(1),
        /** {@code 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))}: PyTorch's gelu with approximate "tanh". */
        GELU_TANH(2);

        private final int code;

        Kind(int code) {
            this.code = code;
        }

        /** The number in dpo4j.h. */
        public int code() {
            return code;
        }
    }

    /**
     * f, and whether its result is multiplied by {@code up} (Shazeer 2020).
     *
     * @param isGated a row of the input is x, then up; otherwise it is x
     */
    public record Function(Kind kind, boolean isGated) {
        private void write(StructWriter params) {
            params.int32("kind", kind.code).int32("gated", isGated ? 1 : 0);
        }
    }

    /**
     * Writes y.
     *
     * @param out written, [rows, width]
     * @param x [rows, width]; gated: [rows, 2 width]
     * @param shape of {@code out}
     */
    public static void forward(Device device, Function function, long out, long x, MatrixShape shape) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_activation_forward_params")
                .address("out", out)
                .address("x", x);
        shape.write(params);
        function.write(params);
        Status.check(context, Native.dpo4j_activation_forward(context, params.end()));
    }

    /**
     * Gradient of {@code x}, and of up if gated.
     *
     * @param dX written, as {@code x}; may be {@code x}
     * @param dOut [rows, width]
     * @param x as in forward
     * @param shape of {@code dOut}
     */
    public static void backward(Device device, Function function, long dX, long dOut, long x, MatrixShape shape) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_activation_backward_params")
                .address("d_x", dX)
                .address("d_out", dOut)
                .address("x", x);
        shape.write(params);
        function.write(params);
        Status.check(context, Native.dpo4j_activation_backward(context, params.end()));
    }
}
