package org.dpo4j.kernels;

import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * Losses of preference pairs, their gradient and their metrics from the log-probs of completions, in one launch. The
 * formulas are {@link LossType}'s; arithmetic is fp64 on inputs of fp32.
 *
 * <p>Completions are in pairs: chosen, rejected of pair 0, of pair 1, ... Addresses are device memory owned by the
 * caller, 0 is null; 4-byte aligned, so that a call may begin at any pair, but statistics, metrics, running mean and
 * workspace 16-byte. Refused arguments throw {@link Dpo4jException} naming the argument.
 */
public final class PreferenceLoss {

    /**
     * Index of a (sum, count) in {@code metrics}: {@link #ordinal}. The quotient is the mean over the pairs, or the
     * tokens, of all calls that were added up (TRL logs the mean of the calls' means). A reward is {@code beta (pi - ref)}.
     */
    public enum Metric {
        /** Losses of pairs. */
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
        LOGP_REJECTED,
        /** Mean logits at chosen tokens; from here on, only where statistics are given. */
        LOGIT_CHOSEN,
        /** Mean logits at rejected tokens. */
        LOGIT_REJECTED,
        /** Entropies at all tokens. */
        ENTROPY,
        /** Chosen tokens that the policy would have chosen. */
        TOKEN_ACCURACY,
        /** The baseline of each call of {@link UnpairedLoss}. */
        KL;

        /** Sum over count of this metric; NaN where nothing was counted. */
        public double mean(double[] metrics) {
            return metrics[2 * ordinal()] / count(metrics);
        }

        /** How many were added up. */
        public double count(double[] metrics) {
            return metrics[2 * ordinal() + 1];
        }
    }

    /** Values in {@code metrics}: a sum and a count for each {@link Metric}. */
    public static final int METRICS = 2 * Metric.values().length;

    /**
     * What a call writes.
     *
     * @param losses f32[pairs]
     * @param dSums f32[2 pairs]: the pair scale times d (sum of losses) / d sums
     * @param metrics f64[{@link #METRICS}], added to, so that micro-batches add up; or 0
     * @param runningMean f64[2], sum and count of the rewards of earlier calls, for {@link LossType#BCO_PAIR}: this
     *     call's are added, then their mean is the loss's shift; or 0 for no shift
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
     * What a call reads.
     *
     * @param sums f32[2 pairs], log-probs of completions
     * @param reference the same of the reference model; 0 for the reference-free loss, and where no loss measures from
     *     one
     * @param lengths i32[2 pairs], tokens of completions; may be 0 where no loss averages and there are no statistics
     * @param statistics f32[2 pairs, {@link TokenLogProb#STATISTICS}], sums over completions; may be 0 without
     *     weighting
     */
    public record PairLogProbs(long sums, long reference, long lengths, long statistics) {

        /** Without statistics, for losses that do not average. */
        public PairLogProbs(long sums, long reference) {
            this(sums, reference, 0, 0);
        }

        /** Without reference and statistics, for losses that do not average. */
        public static PairLogProbs withoutReference(long sums) {
            return new PairLogProbs(sums, 0);
        }
    }

    /**
     * How much a pair is of the whole optimizer step.
     *
     * @param pair 1 / pairs of the step
     * @param token 1 / chosen tokens of the step where one of the losses is {@link LossType#SFT}, else 0
     * @param address 0; or f32[2] of the device, which holds both, and is read when the call gets its turn: then they
     *     are 0 here
     */
    public record Scale(float pair, float token, long address) {

        /** Known when the call is made. */
        public Scale(float pair, float token) {
            this(pair, token, 0);
        }

        /** In device memory, {pair, token}: a call in a graph reads what stands there then. Not looked at beforehand. */
        public static Scale at(long address) {
            return new Scale(0, 0, address);
        }

        /** Without an SFT loss. */
        public Scale(float pair) {
            this(pair, 0);
        }
    }

    /** As {@code workspace} of {@link #compute}, where {@link #workspaceBytes} is 0. */
    public static final long NO_WORKSPACE = 0;

    private PreferenceLoss() {}

    /** Bytes of scratch that a call needs: 0 unless a loss sorts the batch. */
    public static long workspaceBytes(long pairs, PreferenceOptions options) {
        return Native.dpo4j_preference_loss_workspace_bytes(pairs, options.struct());
    }

    /**
     * Loss, gradient and metrics of every pair.
     *
     * @param workspace of {@link #workspaceBytes}, or {@link #NO_WORKSPACE}
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
                .int64("pairs", pairs)
                .float32("pair_scale", scale.pair)
                .float32("token_scale", scale.token)
                .address("scales", scale.address);
        options.write(params.open("preference", Integer.BYTES)).close();
        Status.check(context, Native.dpo4j_preference_loss(context, params.end()));
    }
}
