package org.dpo4j.kernels;

/**
 * What {@link PreferenceLoss} computes: the {@code dpo4j_preference} of the C header. The loss checks the values.
 *
 * @param loss formula
 * @param beta strength of the pull towards the reference; positive
 * @param labelSmoothing probability that a label is wrong, in [0, 0.5): conservative DPO, 0 for none
 * @param gradientScale multiplies every gradient: 1 / pairs of the whole optimizer step
 */
public record PreferenceOptions(LossType loss, float beta, float labelSmoothing, float gradientScale) {}
