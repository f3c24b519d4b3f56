package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/** Lion (Chen et al. 2023): the sign of an interpolated momentum, as {@code Lion} of bitsandbytes. */
public final class Lion {
    private Lion() {}

    /**
     * Options under the paper's names. {@link #step} checks them.
     *
     * @param beta1 share of the mean in the direction
     * @param beta2 decay of the mean
     * @param weightDecay a step subtracts this fraction of the parameter, times the learning rate
     */
    public record Options(double beta1, double beta2, double weightDecay) {}

    /**
     * {@code g = clip gradient; parameter -= lr (weightDecay parameter + sign(beta1 m + (1-beta1) g)); m = beta2 m +
     * (1-beta2) g}. The rates are f32[1]: {@code {lr}}.
     *
     * @param m address of f32[count], updated, first 0: mean of the gradient
     */
    public static void step(Device device, WeightUpdate update, long m, Options options) {
        long context = device.context();
        StructWriter params = update.begin("dpo4j_lion_params").address("m", m);
        update.writeInputs(params)
                .open("options", Double.BYTES)
                .float64("beta1", options.beta1)
                .float64("beta2", options.beta2)
                .float64("weight_decay", options.weightDecay)
                .close()
                .int32("dtype", update.parameters().dtype().code());
        Status.check(context, Native.dpo4j_lion(context, params.end()));
    }
}
