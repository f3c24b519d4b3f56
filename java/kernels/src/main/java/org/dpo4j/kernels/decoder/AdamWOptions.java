package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.internal.StructWriter;

/**
 * Options under the names of {@code torch.optim.AdamW}. {@link AdamW#step} checks them. They are doubles, because
 * {@code 1 - beta1} and {@code 1 - beta2} are computed in f64 and then rounded to f32: in f32, {@code 1 - 0.999} has a
 * relative error of 1.3e-5.
 *
 * @param beta1 decay of the mean of gradients
 * @param beta2 decay of the mean of squared gradients
 * @param epsilon added to the square root in the denominator
 * @param weightDecay a step subtracts this fraction of the parameter, times the learning rate
 */
public record AdamWOptions(double beta1, double beta2, double epsilon, double weightDecay) {
    /** PyTorch's defaults for betas and epsilon, and TRL's weight decay of 0. */
    public static final AdamWOptions DEFAULT = new AdamWOptions(0.9, 0.999, 1e-8, 0);

    StructWriter write(StructWriter params) {
        return params.open("options", Double.BYTES)
                .float64("beta1", beta1)
                .float64("beta2", beta2)
                .float64("epsilon", epsilon)
                .float64("weight_decay", weightDecay)
                .close();
    }
}
