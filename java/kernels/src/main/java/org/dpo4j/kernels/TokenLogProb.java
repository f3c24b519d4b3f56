package org.dpo4j.kernels;

import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;

/**
 * Log softmax of a row of logits at its target, without the softmax: {@code logprob = logits[target] - lse}, {@code lse
 * = log sum exp(logits)}, both from fp32 accumulators whatever the storage of the logits.
 *
 * <p>A negative target masks its row: the row is not read, its outputs and gradient are exactly 0. A target at or
 * beyond {@code vocabulary} yields NaN. Logits of {@code -inf} are vocabulary that does not exist.
 *
 * <p>All addresses are memory of the device, owned by the caller, 16-byte aligned, rows too; strides are elements
 * between rows. Refused arguments throw {@link Dpo4jException} naming the argument.
 */
public final class TokenLogProb {
    private TokenLogProb() {}

    /**
     * {@code logprob[row] = logits[row, targets[row]] - lse[row]}.
     *
     * @param logprob out, f32[rows]
     * @param lse out, f32[rows], kept for {@link #backward}
     * @param logits {@code dtype}[rows, vocabulary], rows {@code logitsStride} apart
     * @param targets i32[rows]
     */
    public static void forward(
            Device device,
            long logprob,
            long lse,
            long logits,
            long targets,
            long rows,
            long vocabulary,
            long logitsStride,
            DType dtype) {
        long context = device.context();
        Status.check(
                context,
                Native.dpo4j_token_logprob_forward(
                        context, logprob, lse, logits, targets, rows, vocabulary, logitsStride, dtype.code()));
    }

    /**
     * {@code dLogits[row,j] = dLogprob[row] * ((j == target) - exp(logits[row,j] - lse[row]))}.
     *
     * @param dLogits out, {@code dLogitsType}[rows, vocabulary]; may be {@code logits} itself when type and stride are
     *     the same
     * @param logits {@code dtype}[rows, vocabulary], as given to {@link #forward}
     * @param targets i32[rows]
     * @param lse f32[rows], of {@link #forward}
     * @param dLogprob f32[rows]
     */
    public static void backward(
            Device device,
            long dLogits,
            long logits,
            long targets,
            long lse,
            long dLogprob,
            long rows,
            long vocabulary,
            long dLogitsStride,
            long logitsStride,
            DType dLogitsType,
            DType dtype) {
        long context = device.context();
        Status.check(
                context,
                Native.dpo4j_token_logprob_backward(
                        context,
                        dLogits,
                        logits,
                        targets,
                        lse,
                        dLogprob,
                        rows,
                        vocabulary,
                        dLogitsStride,
                        logitsStride,
                        dLogitsType.code(),
                        dtype.code()));
    }
}
