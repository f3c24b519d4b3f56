package org.dpo4j.kernels.decoder;

/**
 * The {@code dpo4j_adamw_options} of the C header; names and meaning of {@code torch.optim.AdamW}. The step checks the
 * values. They are doubles, because a step takes {@code 1 - beta1} and {@code 1 - beta2} in double precision and then
 * rounds them to f32: computed in f32, {@code 1 - 0.999} is 1.3e-5 of itself off.
 *
 * @param beta1 decay of the mean of gradients
 * @param beta2 decay of the mean of their squares
 * @param epsilon added to the root
 * @param weightDecay share of a parameter, times the learning rate, taken off each step
 */
public record AdamWOptions(double beta1, double beta2, double epsilon, double weightDecay) {
    /** PyTorch's defaults for the first three, and no decay, which is TRL's. */
    public static final AdamWOptions DEFAULT = new AdamWOptions(0.9, 0.999, 1e-8, 0);
}
