package org.dpo4j.kernels.decoder;

/**
 * The {@code dpo4j_adamw_options} of the C header; names and meaning of {@code torch.optim.AdamW}. The step checks the
 * values.
 *
 * @param beta1 decay of the mean of gradients
 * @param beta2 decay of the mean of their squares
 * @param epsilon added to the root
 * @param weightDecay share of a parameter, times the learning rate, taken off each step
 */
public record AdamWOptions(float beta1, float beta2, float epsilon, float weightDecay) {
    /** PyTorch's defaults for the first three, and no decay, which is TRL's. */
    public static final AdamWOptions DEFAULT = new AdamWOptions(0.9f, 0.999f, 1e-8f, 0f);
}
