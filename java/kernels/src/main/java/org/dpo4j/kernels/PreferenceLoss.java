package org.dpo4j.kernels;

import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * Losses of preference pairs, their gradients and metrics, from the log-probs of completions, in one launch. {@link
 * LossType} has the formulas. Inputs are fp32, arithmetic is fp64.
 *
 * <p>Completions are ordered by pairs: chosen and rejected of pair 0, chosen and rejected of pair 1, ... Addresses are
 * device memory that the caller owns; 0 is null. Alignment is 4 bytes, so that a call may begin at any pair, but 16 for
 * statistics, metrics, running mean and workspace. An argument that is refused throws a {@link Dpo4jException} with its
 * name.
 */
public final class PreferenceLoss {

    /**
     * Metrics, each a (sum, count) in {@code metrics} at the index {@link #ordinal}. Sum / count is the mean over the
     * pairs or tokens of all accumulated calls. (TRL logs the mean of the calls' means.) The reward is {@code beta (pi
     * - ref)}.
     */
    public enum Metric {
        /** Losses of pairs. With weights, the sum of weighted losses and the sum of weights. */
        LOSS,
        /** Rewards of chosen completions. */
        REWARD_CHOSEN,
        /** Rewards of rejected completions. */
        REWARD_REJECTED,
        /** Whether the chosen reward is larger than the rejected. */
        ACCURACY,
        /** Chosen reward minus rejected reward. */
        MARGIN,
        /** Log-probs of chosen completions. */
        LOGP_CHOSEN,
        /** Log-probs of rejected completions. */
        LOGP_REJECTED,
        /** Mean logits at chosen tokens. This and the next three are counted only if statistics are given. */
        LOGIT_CHOSEN,
        /** Mean logits at rejected tokens. */
        LOGIT_REJECTED,
        /** Entropies at all tokens. */
        ENTROPY,
        /** Whether a chosen token is the argmax of the policy. */
        TOKEN_ACCURACY,
        /** Tokens of chosen completions. This and the next four are counted only if lengths are given. */
        LENGTH_CHOSEN,
        /** Tokens of rejected completions. */
        LENGTH_REJECTED,
        /** The square of the length difference: tokens of chosen minus tokens of rejected. */
        LENGTH_SQUARE,
        /** The square of the margin. */
        MARGIN_SQUARE,
        /** The margin times the length difference. */
        MARGIN_LENGTH,
        /** The baseline of a call of {@link UnpairedLoss}, once for each of its completions. */
        KL;

        /** The mean of this metric; NaN if its count is 0. */
        public double mean(double[] metrics) {
            return metrics[2 * ordinal()] / count(metrics);
        }

        /** The count of this metric. */
        public double count(double[] metrics) {
            return metrics[2 * ordinal() + 1];
        }
    }

    /** The number of values in {@code metrics}: a sum and a count for each {@link Metric}. */
    public static final int METRICS = 2 * Metric.values().length;

    /**
     * Output addresses.
     *
     * @param losses f32[pairs]
     * @param dSums f32[2 pairs]: the pair scale times d (sum of losses) / d sums
     * @param metrics f64[{@link #METRICS}], accumulated over calls; or 0
     * @param runningMean f64[2] for {@link LossType#BCO_PAIR}: sum and count of rewards. The call adds its rewards,
     *     then reads the mean. 0: the loss has no shift
     */
    public record PairResults(long losses, long dSums, long metrics, long runningMean) {

        /** Without metrics and running mean. */
        public PairResults(long losses, long dSums) {
            this(losses, dSums, 0, 0);
        }

        /** Without a running mean. */
        public PairResults(long losses, long dSums, long metrics) {
            this(losses, dSums, metrics, 0);
        }
    }

    /**
     * Input addresses.
     *
     * @param sums f32[2 pairs], log-probs of completions under the policy
     * @param reference f32[2 pairs], log-probs under the reference; 0 for a reference-free loss, or if no loss reads a
     *     reference
     * @param lengths i32[2 pairs], tokens of completions; may be 0 if no loss averages and there are no statistics
     * @param statistics f32[2 pairs, {@link TokenLogProb#STATISTICS}], sums over completions; may be 0 without
     *     weighting
     * @param weights f32[pairs], finite and at least 0 (not checked); the loss and gradient of a pair are multiplied
     *     by its weight. If the address is 0, every weight is 1. Losses that sort the pairs refuse weights
     */
    public record PairLogProbs(long sums, long reference, long lengths, long statistics, long weights) {

        /** All pairs have weight 1. */
        public PairLogProbs(long sums, long reference, long lengths, long statistics) {
            this(sums, reference, lengths, statistics, 0);
        }

        /** Without lengths and statistics, for losses that do not average. */
        public PairLogProbs(long sums, long reference) {
            this(sums, reference, 0, 0);
        }

        /** Without reference, lengths and statistics, for losses that do not average. */
        public static PairLogProbs withoutReference(long sums) {
            return new PairLogProbs(sums, 0);
        }
    }

    /**
     * Factors of the gradient, such that the micro-batches of an optimizer step add up to a mean.
     *
     * @param pair 1 / pairs of the optimizer step; with weights, 1 / sum of their weights
     * @param token 1 / chosen tokens of the optimizer step if a loss is {@link LossType#SFT}, else 0. With weights, a
     *     token counts as often as its pair's weight says
     * @param address 0; or the address of f32[2] = {pair, token}, read when the kernel runs. Then pair and token are 0
     */
    public record Scale(float pair, float token, long address) {

        /** Factors that are known at the time of the call. */
        public Scale(float pair, float token) {
            this(pair, token, 0);
        }

        /** Factors in device memory, so that a replayed CUDA graph can use new values. They are not checked. */
        public static Scale at(long address) {
            return new Scale(0, 0, address);
        }

        /** For losses without {@link LossType#SFT}. */
        public Scale(float pair) {
            this(pair, 0);
        }
    }

    /** The {@code workspace} of {@link #compute} if {@link #workspaceBytes} is 0. */
    public static final long NO_WORKSPACE = 0;

    private PreferenceLoss() {}

    /** Bytes of {@code workspace} for {@link #compute}: 0 unless a loss sorts the pairs. */
    public static long workspaceBytes(long pairs, PreferenceOptions options) {
        return Native.dpo4j_preference_loss_workspace_bytes(pairs, options.struct());
    }

    /**
     * Computes loss, gradient and metrics of every pair.
     *
     * @param workspace {@link #workspaceBytes} bytes, or {@link #NO_WORKSPACE}
     */
    public static void compute(
            Device device,
            PairResults results,
            PairLogProbs logProbs,
            long pairs,
            long workspace,
            Scale scale,
            PreferenceOptions options) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_preference_loss_params")
                .address("losses", results.losses)
                .address("d_sums", results.dSums)
                .address("metrics", results.metrics)
                .address("running_mean", results.runningMean)
                .address("workspace", workspace)
                .address("sums", logProbs.sums)
                .address("reference", logProbs.reference)
                .address("lengths", logProbs.lengths)
                .address("statistics", logProbs.statistics)
                .address("weights", logProbs.weights)
                .int64("pairs", pairs)
                .float32("pair_scale", scale.pair)
                .float32("token_scale", scale.token)
                .address("scales", scale.address);
        options.write(params.open("preference", Integer.BYTES)).close();
        Status.check(context, Native.dpo4j_preference_loss(context, params.end()));
    }
}
