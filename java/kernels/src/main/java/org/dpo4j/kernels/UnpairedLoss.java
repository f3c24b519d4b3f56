package org.dpo4j.kernels;

import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * Losses of single completions, each desirable or undesirable, their gradients and metrics, in one launch.
 *
 * <p>Addresses are device memory that the caller owns; 0 is null. Alignment is 4 bytes, but 16 for statistics and
 * metrics. An argument that is refused throws a {@link Dpo4jException} with its name.
 */
public final class UnpairedLoss {

    /**
     * A loss, under TRL's name. {@code u = pi - ref}: log-prob of the completion under the policy minus that under the
     * reference; {@code b}: beta; {@code w}: weight of desirable or of undesirable completions; {@code sg}: sigmoid.
     */
    public enum Type {
        /**
         * Desirable: {@code w (1 - sg(b (u - kl)))}, undesirable: {@code w (1 - sg(b (kl - u)))}: Ethayarajh et al.
         * 2024, equation 7.
         */
        KTO(0, "kto"),
        /** Desirable: {@code w (1 - sg(b u))}, undesirable: {@code w sg(b u)}: D'Oosterlinck et al. 2024. */
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

        /** The name of this loss in {@code loss_type}. */
        public String option() {
            return option;
        }
    }

    /**
     * The loss and its options.
     *
     * @param beta above 0
     * @param desirableWeight weight of desirable completions, at least 0
     * @param undesirableWeight weight of undesirable completions, at least 0
     */
    public record Options(Type type, float beta, float desirableWeight, float undesirableWeight) {

        /** Returns a loss with TRL's defaults for its options. */
        public static Options forLoss(Type type) {
            return new Options(type, 0.1f, 1, 1);
        }
    }

    /**
     * Output addresses.
     *
     * @param losses f32[completions]
     * @param dSums f32[completions]: scale times d (sum of losses) / d sums
     * @param metrics f64[{@link PreferenceLoss#METRICS}], accumulated over calls; or 0. Desirable completions count as
     *     chosen; accuracy and margin do not change
     */
    public record UnpairedResults(long losses, long dSums, long metrics) {

        /** Without metrics. */
        public UnpairedResults(long losses, long dSums) {
            this(losses, dSums, 0);
        }
    }

    /**
     * Input addresses.
     *
     * @param sums f32[count], log-probs of completions under the policy
     * @param reference f32[count], log-probs under the reference
     * @param desirable i32[count], 1 or 0
     * @param lengths i32[count], tokens of completions; may be 0 without statistics
     * @param statistics f32[count, {@link TokenLogProb#STATISTICS}], sums over completions; or 0
     * @param count number of completions
     */
    public record UnpairedLogProbs(
            long sums, long reference, long desirable, long lengths, long statistics, long count) {

        /** Without statistics. */
        public UnpairedLogProbs(long sums, long reference, long desirable, long count) {
            this(sums, reference, desirable, 0, 0, count);
        }
    }

    /**
     * Log-probs of completions, each given the prompt of another row. {@code kl = max(0, mean of sums - reference)},
     * without gradient.
     *
     * @param sums f32[count], under the policy
     * @param reference f32[count], under the reference
     * @param count number of completions
     */
    public record Baseline(long sums, long reference, long count) {
        /** kl = 0. */
        public static final Baseline NONE = new Baseline(0, 0, 0);
    }

    /**
     * Factor of the gradient, such that the micro-batches of an optimizer step add up to a mean.
     *
     * @param completion 1 / completions of the optimizer step
     * @param address 0; or the address of f32[1] = {completion}, read when the kernel runs. Then completion is 0
     */
    public record Scale(float completion, long address) {

        /** A factor in device memory, so that a replayed CUDA graph can use a new value. It is not checked. */
        public static Scale at(long address) {
            return new Scale(0, address);
        }
    }

    private UnpairedLoss() {}

    /**
     * Computes loss, gradient and metrics of every completion.
     *
     * @param baseline for {@link Type#KTO}; else {@link Baseline#NONE}
     * @param scale 1 / completions of the whole optimizer step
     */
    public static void compute(
            Device device,
            UnpairedResults results,
            UnpairedLogProbs logProbs,
            Baseline baseline,
            float scale,
            Options options) {
        compute(device, results, logProbs, baseline, new Scale(scale, 0), options);
    }

    /**
     * Computes loss, gradient and metrics of every completion.
     *
     * @param baseline for {@link Type#KTO}; else {@link Baseline#NONE}
     */
    public static void compute(
            Device device,
            UnpairedResults results,
            UnpairedLogProbs logProbs,
            Baseline baseline,
            Scale scale,
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
                .float32("scale", scale.completion)
                .address("scale_at", scale.address)
                .open("options", Integer.BYTES)
                .int32("loss", options.type.code)
                .float32("beta", options.beta)
                .float32("desirable_weight", options.desirableWeight)
                .float32("undesirable_weight", options.undesirableWeight)
                .close();
        Status.check(context, Native.dpo4j_unpaired_loss(context, params.end()));
    }
}
