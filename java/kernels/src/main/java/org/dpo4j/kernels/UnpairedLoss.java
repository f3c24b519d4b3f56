package org.dpo4j.kernels;

import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * Losses of single completions, each desirable or not, their gradient and their metrics, in one launch. With {@code u =
 * pi - ref}, {@code b} beta, {@code w} the weight of the completion's kind and {@code sg} sigmoid.
 *
 * <p>Addresses are device memory owned by the caller, 0 is null; 4-byte aligned, statistics and metrics 16-byte. Refused arguments throw {@link
 * Dpo4jException} naming the argument.
 */
public final class UnpairedLoss {

    /** A loss, by TRL's name. */
    public enum Type {
        /** Desirable: {@code w (1 - sg(b (u - kl)))}, else {@code w (1 - sg(b (kl - u)))}: Ethayarajh et al. 2024, equation 7. */
        KTO(0, "kto"),
        /** Desirable: {@code w (1 - sg(b u))}, else {@code w sg(b u)}: D'Oosterlinck et al. 2024. */
        APO_ZERO_UNPAIRED(1, "apo_zero_unpaired");

        private final int code;
        private final String option;

        Type(int code, String option) {
            this.code = code;
            this.option = option;
        }

        /** The {@code dpo4j_unpaired} of the C header. */
        int code() {
            return code;
        }

        /** The value of {@code loss_type} that means this loss. */
        public String option() {
            return option;
        }
    }

    /**
     * What to compute.
     *
     * @param type formula
     * @param beta strength of the pull towards the reference, above 0
     * @param desirableWeight of desirable completions, at least 0
     * @param undesirableWeight of the others, at least 0
     */
    public record Options(Type type, float beta, float desirableWeight, float undesirableWeight) {

        /** TRL's defaults. */
        public static Options of(Type type) {
            return new Options(type, 0.1f, 1, 1);
        }
    }

    /**
     * What a call writes.
     *
     * @param losses f32[completions]
     * @param dSums f32[completions]: scale times d (sum of losses) / d sums
     * @param metrics f64[{@link PreferenceLoss#METRICS}], added to, desirable as chosen; or 0. Accuracy and margin stay
     */
    public record UnpairedResults(long losses, long dSums, long metrics) {

        /** Without metrics. */
        public UnpairedResults(long losses, long dSums) {
            this(losses, dSums, 0);
        }
    }

    /**
     * What a call reads.
     *
     * @param sums f32[count], log-probs of completions
     * @param reference the same of the reference model
     * @param desirable i32[count], 1 or 0
     * @param lengths i32[count], tokens of completions; may be 0 without statistics
     * @param statistics f32[count, {@link TokenLogProb#STATISTICS}], sums over completions; or 0
     * @param count completions
     */
    public record UnpairedLogProbs(
            long sums, long reference, long desirable, long lengths, long statistics, long count) {

        /** Without statistics. */
        public UnpairedLogProbs(long sums, long reference, long desirable, long count) {
            this(sums, reference, desirable, 0, 0, count);
        }
    }

    /**
     * Completions that belong to other prompts: {@code kl = max(0, mean of sums - reference)}, which takes no gradient.
     *
     * @param sums f32[count]
     * @param reference f32[count]
     * @param count completions
     */
    public record Baseline(long sums, long reference, long count) {
        /** A kl of 0. */
        public static final Baseline NONE = new Baseline(0, 0, 0);
    }

    private UnpairedLoss() {}

    /**
     * Loss, gradient and metrics of every completion.
     *
     * @param baseline of KTO; {@link Baseline#NONE} for the other
     * @param scale 1 / completions of the whole optimizer step
     */
    public static void compute(
            Device device,
            UnpairedResults results,
            UnpairedLogProbs logProbs,
            Baseline baseline,
            float scale,
            Options options) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_unpaired_loss_params")
                .address("losses", results.losses)
                .address("d_sums", results.dSums)
                .address("metrics", results.metrics)
                .address("sums", logProbs.sums)
                .address("reference", logProbs.reference)
                .address("desirable", logProbs.desirable)
                .address("lengths", logProbs.lengths)
                .address("statistics", logProbs.statistics)
                .int64("completions", logProbs.count)
                .address("kl_sums", baseline.sums)
                .address("kl_reference", baseline.reference)
                .int64("kl_completions", baseline.count)
                .float32("scale", scale)
                .open("options", Integer.BYTES)
                .int32("loss", options.type.code)
                .float32("beta", options.beta)
                .float32("desirable_weight", options.desirableWeight)
                .float32("undesirable_weight", options.undesirableWeight)
                .close();
        Status.check(context, Native.dpo4j_unpaired_loss(context, params.end()));
    }
}
