package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/** Stochastic gradient descent with momentum, as {@code torch.optim.SGD}. */
public final class Sgd {
    private Sgd() {}

    /**
     * Options under the names of {@code torch.optim.SGD}. {@link #step} checks them.
     *
     * @param dampening at most 1; the first step has none
     * @param weightDecay added to the gradient, times the parameter
     * @param nesterov needs a momentum
     */
    public record Options(double momentum, double dampening, double weightDecay, boolean nesterov) {}

    /**
     * {@code g = clip gradient + weightDecay parameter; velocity = momentum velocity + (1 - dampening) g}, in the first
     * step {@code g}; {@code parameter -= lr velocity}, or with nesterov {@code lr (g + momentum velocity)}, or without
     * momentum {@code lr g}. The rates are f32[1]: the learning rate.
     *
     * @param velocity address of f32[count], updated, first 0; 0 if the momentum is 0
     * @param steps address of i32, the number of steps that were applied, this one included; may be 0 if the dampening is 0
     */
    public static void step(Device device, WeightUpdate update, long velocity, long steps, Options options) {
        long context = device.context();
        StructWriter params =
                update.begin("dpo4j_sgd_params").address("velocity", velocity).address("steps", steps);
        update.writeInputs(params)
                .open("options", Double.BYTES)
                .float64("momentum", options.momentum)
                .float64("dampening", options.dampening)
                .float64("weight_decay", options.weightDecay)
                .close()
                .int32("nesterov", options.nesterov ? 1 : 0)
                .int32("dtype", update.parameters().dtype().code());
        Status.check(context, Native.dpo4j_sgd(context, params.end()));
    }
}
