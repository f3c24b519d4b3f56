package org.dpo4j.kernels;

import org.dpo4j.kernels.internal.LogitTransform;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * The log-prob of a row's target, {@code logprob = z[target] - lse} with {@code lse = log sum exp(z)}, without storing
 * the softmax. z are the logits, or a {@link Transform} of them. Accumulators are fp32 for every storage type.
 *
 * <p>A row with a negative target is masked: it is not read, and its results and gradient are exactly 0. A target at or
 * beyond the vocabulary gives NaN. A logit of {@code -inf} marks a column that is not part of the vocabulary. The bits
 * of a row do not depend on other rows.
 *
 * <p>Addresses are device memory that the caller owns, until the queued work has run; 0 is null. Alignment is 16 bytes,
 * also of rows, and 4 bytes for arrays with one number per row. An argument that is refused throws a {@link
 * Dpo4jException} with its name.
 */
public final class TokenLogProb {

    /** The columns of {@code statistics}; p is the softmax of the row. They need no second read of the row. */
    public enum Statistic {
        /** {@code -sum p log p}, in nats. */
        ENTROPY,
        /** 1 if the target is the argmax of z (the first, if several are equal), else 0. */
        HIT,
        /** Mean of z over columns that are not -inf. */
        MEAN_LOGIT,
        /** {@code logprob - log sum p^2}: the log weight of a token in WPO (Zhou et al. 2024, equation 2). */
        LOG_WEIGHT
    }

    /** The number of columns of {@code statistics}. */
    public static final int STATISTICS = Statistic.values().length;

    /**
     * The input of the softmax: {@code z = cap tanh(scale (x + bias) / cap)} for a logit x, or {@code z = scale (x +
     * bias)} if cap is 0. Logits of -inf stay -inf. Gradients are with respect to x, so they contain dz/dx.
     *
     * @param bias f32[vocabulary], -inf for a column that is not part of the vocabulary; 0: no bias
     * @param scale finite and above 0; 1: no scale
     * @param cap from 1e-30 to 1e30, the soft cap of Gemma 2 (Gemma team 2024, section 2); 0: no cap
     */
    public record Transform(long bias, float scale, float cap) {
        /** z = x, at no cost. */
        public static final Transform NONE = new Transform(0, 1, 0);
    }

    /**
     * Rows of logits.
     *
     * @param address {@code dtype[.., vocabulary]}
     * @param rowIndex i32[rows], no value twice: row i of the call is row {@code rowIndex[i]} of the logits and of
     *     their gradient; other rows are neither read nor written. Row i of all other arrays belongs to row i of the
     *     call. 0: {@code rowIndex[i] = i}
     * @param vocabulary columns
     * @param stride elements between rows
     * @param dtype any type, on every device
     * @param transform makes the input of the softmax from the logits
     */
    public record Logits(long address, long rowIndex, long vocabulary, long stride, DType dtype, Transform transform) {

        /** Without row index and transform. */
        public Logits(long address, long vocabulary, long stride, DType dtype) {
            this(address, 0, vocabulary, stride, dtype);
        }

        /** Without transform. */
        public Logits(long address, long rowIndex, long vocabulary, long stride, DType dtype) {
            this(address, rowIndex, vocabulary, stride, dtype, Transform.NONE);
        }

        private StructWriter write(StructWriter params) {
            params.address("logits", address)
                    .address("row_index", rowIndex)
                    .int64("vocabulary", vocabulary)
                    .int64("logits_stride", stride);
            return LogitTransform.write(params, transform.bias, transform.scale, transform.cap)
                    .int32("dtype", dtype.code());
        }
    }

    /**
     * The gradient of the logits, with the same rows.
     *
     * @param address {@code dtype[.., vocabulary]}; may be the address of the logits if type and stride are the same, or
     *     as in {@link #narrowedInPlace}
     * @param stride elements between rows
     * @param dtype any type, on every device
     */
    public record LogitsGradient(long address, long stride, DType dtype) {

        /** A gradient that overwrites the logits. */
        public static LogitsGradient inPlace(Logits logits) {
            return new LogitsGradient(logits.address, logits.stride, logits.dtype);
        }

        /**
         * A gradient of 16 bits that overwrites F32 logits: each row is in the first half of its row of logits. Only for
         * {@link #forwardBackward}, if {@link #narrowsInPlace}.
         */
        public static LogitsGradient narrowedInPlace(Logits logits, DType dtype) {
            return new LogitsGradient(logits.address, 2 * logits.stride, dtype);
        }

        private void write(StructWriter params) {
            params.address("d_logits", address).int64("d_logits_stride", stride).int32("d_logits_dtype", dtype.code());
        }
    }

    /**
     * Output addresses of forward.
     *
     * @param logprob f32[rows]
     * @param lse f32[rows], which backward reads
     * @param statistics f32[rows, {@link #STATISTICS}], or 0
     */
    public record TokenResults(long logprob, long lse, long statistics) {

        /** Without statistics. */
        public TokenResults(long logprob, long lse) {
            this(logprob, lse, 0);
        }

        private void write(StructWriter params) {
            params.address("logprob", logprob).address("lse", lse).address("statistics", statistics);
        }
    }

    /** The {@code dLogprob} of {@link #forwardBackward} that is 1 for every row. */
    public static final long UNIT_GRADIENT = 0;

    private TokenLogProb() {}

    /**
     * Whether {@link #forwardBackward} may write a {@link LogitsGradient#narrowedInPlace} for this vocabulary: on cuda, if
     * shared memory holds a row of F32 logits; on the cpu, always.
     */
    public static boolean narrowsInPlace(Device device, long vocabulary) {
        return Native.dpo4j_token_logprob_narrows_in_place(device.context(), vocabulary);
    }

    /**
     * {@code logprob[row] = z[row, targets[row]] - lse[row]}.
     *
     * @param targets i32[rows]
     */
    public static void forward(Device device, TokenResults results, Logits logits, long targets, long rows) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_token_logprob_forward_params");
        results.write(params);
        logits.write(params).address("targets", targets).int64("rows", rows);
        Status.check(context, Native.dpo4j_token_logprob_forward(context, params.end()));
    }

    /**
     * {@code dLogits[row,j] = dLogprob[row] * ((j == target) - exp(z[row,j] - lse[row])) dz/dx}.
     *
     * @param logits as in {@link #forward}
     * @param targets i32[rows]
     * @param lse f32[rows], from {@link #forward}
     * @param dLogprob f32[rows]
     */
    public static void backward(
            Device device, LogitsGradient dLogits, Logits logits, long targets, long lse, long dLogprob, long rows) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_token_logprob_backward_params");
        dLogits.write(params);
        logits.write(params)
                .address("targets", targets)
                .address("lse", lse)
                .address("d_logprob", dLogprob)
                .int64("rows", rows);
        Status.check(context, Native.dpo4j_token_logprob_backward(context, params.end()));
    }

    /**
     * {@link #forward} and {@link #backward} in one read of the row, for a {@code dLogprob} that does not depend on the
     * log-probs. For a preference loss, use {@link #UNIT_GRADIENT}, and multiply rows by d loss / d log-prob later.
     *
     * @param targets i32[rows]
     * @param dLogprob f32[rows], or {@link #UNIT_GRADIENT}
     */
    public static void forwardBackward(
            Device device,
            LogitsGradient dLogits,
            TokenResults results,
            Logits logits,
            long targets,
            long dLogprob,
            long rows) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_token_logprob_forward_backward_params");
        dLogits.write(params);
        results.write(params);
        logits.write(params)
                .address("targets", targets)
                .address("d_logprob", dLogprob)
                .int64("rows", rows);
        Status.check(context, Native.dpo4j_token_logprob_forward_backward(context, params.end()));
    }
}
