package org.dpo4j.kernels;

import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;

/**
 * Sums of per-token values over sequences: the log-prob of a completion from the log-probs of its tokens. Accumulated
 * in f64, in token order.
 *
 * <p>Addresses are device memory owned by the caller, 16-byte aligned. Refused arguments throw {@link Dpo4jException}
 * naming the argument.
 */
public final class SequenceSum {
    private SequenceSum() {}

    /**
     * {@code sums[s]} = sum of {@code values} over {@code [offsets[s], offsets[s+1])}; 0 for an empty range.
     *
     * @param sums out, f32[sequences]
     * @param values f32[offsets[sequences]]
     * @param offsets i32[sequences + 1], not decreasing
     */
    public static void forward(Device device, long sums, long values, long offsets, long sequences) {
        long context = device.context();
        Status.check(context, Native.dpo4j_sequence_sum_forward(context, sums, values, offsets, sequences));
    }

    /**
     * {@code dValues[i] = dSums[s]} for {@code i} in {@code [offsets[s], offsets[s+1])}.
     *
     * @param dValues out, f32[offsets[sequences]]
     * @param dSums f32[sequences]
     * @param offsets i32[sequences + 1], not decreasing
     */
    public static void backward(Device device, long dValues, long dSums, long offsets, long sequences) {
        long context = device.context();
        Status.check(context, Native.dpo4j_sequence_sum_backward(context, dValues, dSums, offsets, sequences));
    }
}
