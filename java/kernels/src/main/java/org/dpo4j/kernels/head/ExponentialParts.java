package org.dpo4j.kernels.head;

import org.dpo4j.kernels.DType;

/**
 * The offsets of the parts of the workspace of an {@link LmHead} on {@link HeadPlan.Path#EXPONENTIALS}, and its end.
 * Exponentials are at 0.
 *
 * @param scaled hidden states times v
 * @param factors f32[rows]
 * @param scales f32[rows], v
 * @param logprob f32[rows], which backward computes again
 * @param lse f32[rows], likewise
 * @param kernel the workspace of the kernels
 */
record ExponentialParts(long scaled, long factors, long scales, long logprob, long lse, long kernel, long end) {
    private static final long ALIGNMENT = 256;

    /** For log-probs alone. */
    static ExponentialParts ofForward(long rows, long vocabulary) {
        return new ExponentialParts(0, 0, 0, 0, 0, 0, aligned(LmHeadForward.workspaceBytes(rows, vocabulary)));
    }

    /** For log-probs and gradients. {@code hidden}: width of scaled hidden states, 0 if the weight is frozen. */
    static ExponentialParts ofGradients(long rows, long vocabulary, long stride, long hidden) {
        long words = aligned(Float.BYTES * rows);
        long scaled = aligned(rows * stride * DType.BF16.bytes());
        long factors = scaled + aligned(rows * hidden * DType.BF16.bytes());
        long kernel = factors + 4 * words;
        long end = kernel + aligned(LmHeadExponentials.workspaceBytes(rows, vocabulary));
        return new ExponentialParts(
                scaled, factors, factors + words, factors + 2 * words, factors + 3 * words, kernel, end);
    }

    private static long aligned(long bytes) {
        return bytes + ALIGNMENT - 1 & -ALIGNMENT;
    }
}
