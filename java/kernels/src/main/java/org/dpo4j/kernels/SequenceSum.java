package org.dpo4j.kernels;

import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * Sums or means of per-token values over completions: the log-prob of a completion from those of its tokens.
 * Accumulated in f64, in token order.
 *
 * <p>Addresses are device memory owned by the caller, 4-byte aligned. Refused arguments throw {@link Dpo4jException}
 * naming the argument.
 */
public final class SequenceSum {

    /**
     * Completions, and how their tokens count.
     *
     * @param offsets i32[sequences + 1], not decreasing: completion s is the tokens {@code [offsets[s], offsets[s+1])}
     * @param sequences completions
     * @param width values a token
     * @param tailFactor in [0, 1]: what a token counts beyond the length of the shorter of its completion and the
     *     other of the pair, completions 2i and 2i+1 (LD-DPO, Liu et al. 2024); 1 for as much as any
     * @param average divide by the number of tokens
     */
    public record Sequences(long offsets, long sequences, long width, float tailFactor, boolean average) {

        /** Plain sums of one value a token. */
        public Sequences(long offsets, long sequences) {
            this(offsets, sequences, 1, 1, false);
        }

        private long end(StructWriter params) {
            return params.open("sequences", Long.BYTES)
                    .address("offsets", offsets)
                    .int64("sequences", sequences)
                    .int64("width", width)
                    .float32("tail_factor", tailFactor)
                    .int32("average", average ? 1 : 0)
                    .close()
                    .end();
        }
    }

    private SequenceSum() {}

    /**
     * {@code sums[s,:]} = sum of {@code values[i,:]} over the tokens of s; 0 for an empty completion.
     *
     * @param sums out, f32[sequences, width]
     * @param values f32[offsets[sequences], width]
     */
    public static void forward(Device device, long sums, long values, Sequences sequences) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_sequence_sum_forward_params")
                .address("sums", sums)
                .address("values", values);
        Status.check(context, Native.dpo4j_sequence_sum_forward(context, sequences.end(params)));
    }

    /**
     * {@code dValues[i,:]} = what token i counts times {@code dSums[s,:]}, for the tokens of s.
     *
     * @param dValues out, f32[offsets[sequences], width]
     * @param dSums f32[sequences, width]
     */
    public static void backward(Device device, long dValues, long dSums, Sequences sequences) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_sequence_sum_backward_params")
                .address("d_values", dValues)
                .address("d_sums", dSums);
        Status.check(context, Native.dpo4j_sequence_sum_backward(context, sequences.end(params)));
    }
}
