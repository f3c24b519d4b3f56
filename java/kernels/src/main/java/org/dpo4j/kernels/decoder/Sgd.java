package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/** Stochastic gradient descent with momentum, as {@code torch.optim.SGD}. */
public final class Sgd {
    private Sgd() {}

    /**
     * Options under the names of {@code torch.optim.SGD}. {@link #step} checks them. The dampening is part of the rates.
     *
     * @param weightDecay added to the gradient, times the parameter
     * @param nesterov needs a momentum
     */
    public record Options(double momentum, double weightDecay, boolean nesterov) {}

    /**
     * {@code g = clip gradient + weightDecay parameter; velocity = momentum velocity + share g; parameter -= lr
     * velocity}, or with nesterov {@code lr (g + momentum velocity)}, or without momentum {@code lr g}. The rates are
     * f32[2]: {@code {lr, share}}; share is 1 in the first step, then 1 - dampening.
     *
     * @param velocity address of f32[count], updated, first 0; 0 if the momentum is 0
     */
    public static void step(Device device, WeightUpdate update, long velocity, Options options) {
        long context = device.context();
        StructWriter params = update.begin("dpo4j_sgd_params").address("velocity", velocity);
        update.writeInputs(params)
                .open("options", Double.BYTES)
                .float64("momentum", options.momentum)
                .float64("weight_decay", options.weightDecay)
                .close()
                .int32("nesterov", options.nesterov ? 1 : 0)
                .int32("dtype", update.parameters().dtype().code());
        Status.check(context, Native.dpo4j_sgd(context, params.end()));
    }
}
