package org.dpo4j.kernels;

import org.dpo4j.kernels.internal.LogitTransform;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * Log softmax of a row of logits at its target, without the softmax: {@code logprob = z[target] - lse}, {@code lse = log
 * sum exp(z)}, both from fp32 accumulators whatever the storage of the logits; z are the logits, or what a {@link
 * Transform} makes of them.
 *
 * <p>A negative target masks its row: the row is not read, its numbers and its gradient are exactly 0. A target at or
 * beyond the vocabulary yields NaN. Logits of {@code -inf} are vocabulary that does not exist. A row's results have the
 * same bits whatever other rows there are.
 *
 * <p>All addresses are memory of the device, owned by the caller, 16-byte aligned, rows too; those of one number a row
 * 4-byte. 0 is null. Nothing is
 * retained once the queued work has run. Refused arguments throw {@link Dpo4jException} naming the argument.
 */
public final class TokenLogProb {

    /**
     * What a row of {@code statistics} holds, in this order; p is the softmax of the row. They cost no second read of
     * it.
     */
    public enum Statistic {
        /** {@code -sum p log p}, in nats. */
        ENTROPY,
        /** 1 where the target is the first of the largest z, else 0. */
        HIT,
        /** Mean of the z that exist. */
        MEAN_LOGIT,
        /** {@code logprob - log sum p^2}: the log weight of a token in WPO (Zhou et al. 2024, equation 2). */
        LOG_WEIGHT
    }

    /** Values in a row of {@code statistics}. */
    public static final int STATISTICS = Statistic.values().length;

    /**
     * What the softmax is taken of: {@code z = cap tanh(scale (x + bias) / cap)} of a logit x, or {@code scale (x +
     * bias)} where cap is 0. Gradients are by x: they hold dz/dx. Logits of -inf stay so.
     *
     * @param bias f32[vocabulary], -inf where a column shall not exist; or 0 for none
     * @param scale finite and above 0; 1 for none
     * @param cap from 1e-30 to 1e30: the soft cap of Gemma 2 (Gemma team 2024, section 2); 0 for none
     */
    public record Transform(long bias, float scale, float cap) {
        /** z is x, and no time is spent on it. */
        public static final Transform NONE = new Transform(0, 1, 0);
    }

    /**
     * Rows of logits.
     *
     * @param address of {@code dtype[.., vocabulary]}
     * @param rowIndex i32[rows] for the logits row of each row of a call, no row twice; or 0 for row after row. Rows
     *     that it does not name are neither read nor written. All other arrays of a call have one entry a call row
     * @param vocabulary columns
     * @param stride elements between rows
     * @param dtype storage: all three on every device
     * @param transform what the softmax sees of them
     */
    public record Logits(long address, long rowIndex, long vocabulary, long stride, DType dtype, Transform transform) {

        /** Row after row, as they are. */
        public Logits(long address, long vocabulary, long stride, DType dtype) {
            this(address, 0, vocabulary, stride, dtype);
        }

        /** As they are. */
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
     * Where the gradient by the logits goes: rows as those of the logits.
     *
     * @param address of {@code dtype[.., vocabulary]}; may be the logits' own when type and stride are theirs
     * @param stride elements between rows
     * @param dtype storage
     */
    public record LogitsGradient(long address, long stride, DType dtype) {

        /** In place of the logits. */
        public static LogitsGradient inPlace(Logits logits) {
            return new LogitsGradient(logits.address, logits.stride, logits.dtype);
        }

        private void write(StructWriter params) {
            params.address("d_logits", address).int64("d_logits_stride", stride).int32("d_logits_dtype", dtype.code());
        }
    }

    /**
     * What forward writes.
     *
     * @param logprob f32[rows]
     * @param lse f32[rows], kept for backward
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

    /** As {@code dLogprob} of {@link #forwardBackward}: 1 for every row. */
    public static final long UNIT_GRADIENT = 0;

    private TokenLogProb() {}

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
     * @param logits as given to {@link #forward}
     * @param targets i32[rows]
     * @param lse f32[rows], of {@link #forward}
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
     * {@link #forward} and {@link #backward} in one read of the row, where the gradient is known before the log-prob.
     * For losses that are linear in one scalar a completion, the unit gradient serves: the scalar is a row scale of it.
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
