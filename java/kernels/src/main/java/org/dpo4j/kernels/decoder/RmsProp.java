package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/** RMSprop (Hinton 2012; centered: Graves 2013), as {@code torch.optim.RMSprop}. */
public final class RmsProp {
    private RmsProp() {}

    /**
     * Options under the names of {@code torch.optim.RMSprop}. {@link #step} checks them.
     *
     * @param alpha decay of the means
     * @param epsilon added to the square root in the denominator
     * @param weightDecay added to the gradient, times the parameter
     */
    public record Options(double alpha, double epsilon, double momentum, double weightDecay) {}

    /**
     * Addresses of the state, all f32[count], updated, first 0.
     *
     * @param square mean of the squared gradient
     * @param mean mean of the gradient; 0: not centered
     * @param velocity 0 if the momentum is 0
     */
    public record State(long square, long mean, long velocity) {}

    /**
     * {@code g = clip gradient + weightDecay parameter; square = alpha square + (1-alpha) g^2; mean = alpha mean +
     * (1-alpha) g; u = g / (sqrt(square) + epsilon)}, or centered {@code g / (sqrt(max(0, square - mean^2)) + epsilon)};
     * {@code velocity = momentum velocity + u; parameter -= lr velocity}, or without momentum {@code lr u}. The rates are
     * f32[1]: {@code {lr}}.
     */
    public static void step(Device device, WeightUpdate update, State state, Options options) {
        long context = device.context();
        StructWriter params = update.begin("dpo4j_rmsprop_params")
                .address("square", state.square)
                .address("mean", state.mean)
                .address("velocity", state.velocity);
        update.writeInputs(params)
                .open("options", Double.BYTES)
                .float64("alpha", options.alpha)
                .float64("epsilon", options.epsilon)
                .float64("momentum", options.momentum)
                .float64("weight_decay", options.weightDecay)
                .close()
                .int32("dtype", update.parameters().dtype().code());
        Status.check(context, Native.dpo4j_rmsprop(context, params.end()));
    }
}
