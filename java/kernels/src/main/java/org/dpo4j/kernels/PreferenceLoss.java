package org.dpo4j.kernels;

import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;

/**
 * Loss of preference pairs, its gradient and its metrics from the log-probs of completions, in one launch.
 *
 * <p>With {@code x = beta ((pi_c - ref_c) - (pi_r - ref_r))} and label smoothing {@code e}: {@code loss = -(1-e) log
 * sigmoid(x) - e log sigmoid(-x)} (Rafailov et al. 2023, equation 7). Addresses are device memory owned by the caller,
 * 16-byte aligned. Refused arguments throw {@link Dpo4jException} naming the argument.
 */
public final class PreferenceLoss {

    /**
     * Index of a value in {@code metrics}: {@link #ordinal}. Each is a sum over pairs; divided by {@link #PAIRS} it is
     * the mean TRL logs. A reward is {@code beta (pi - ref)}.
     */
    public enum Metric {
        /** Pairs counted. */
        PAIRS,
        /** Losses. */
        LOSS,
        /** Rewards of chosen completions. */
        REWARD_CHOSEN,
        /** Rewards of rejected completions. */
        REWARD_REJECTED,
        /** Pairs whose chosen reward is strictly the larger. */
        ACCURACY,
        /** Chosen reward minus rejected reward. */
        MARGIN,
        /** Log-probs of chosen completions. */
        LOGP_CHOSEN,
        /** Log-probs of rejected completions. */
        LOGP_REJECTED
    }

    /** Values in {@code metrics}. */
    public static final int METRICS = Metric.values().length;

    private PreferenceLoss() {}

    /**
     * Loss, gradient and metrics of every pair.
     *
     * @param losses out, f32[pairs]
     * @param dSums out, f32[2 pairs]: {@code gradientScale} times d loss / d sum
     * @param metrics f64[{@link #METRICS}], added to, so that micro-batches add up; or 0
     * @param sums f32[2 pairs], log-probs of completions: chosen, rejected of pair 0, of pair 1, ...
     * @param reference the same of the reference model; or 0 for the reference-free loss
     */
    public static void compute(
            Device device,
            long losses,
            long dSums,
            long metrics,
            long sums,
            long reference,
            long pairs,
            PreferenceOptions options) {
        int[] preference = {
            options.loss().code(),
            Float.floatToRawIntBits(options.beta()),
            Float.floatToRawIntBits(options.labelSmoothing()),
            Float.floatToRawIntBits(options.gradientScale())
        };
        long context = device.context();
        Status.check(
                context,
                Native.dpo4j_preference_loss(context, losses, dSums, metrics, sums, reference, pairs, preference));
    }
}
