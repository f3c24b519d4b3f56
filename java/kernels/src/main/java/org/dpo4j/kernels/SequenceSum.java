package org.dpo4j.kernels;

import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * Sums or means of per-token values over completions, such as the log-prob of a completion. Sums are accumulated in
 * f64, in token order.
 *
 * <p>Addresses are device memory that the caller owns, 4-byte aligned. An argument that is refused throws a {@link
 * Dpo4jException} with its name.
 */
public final class SequenceSum {

    /**
     * The tokens of each completion, and the factor of each token.
     *
     * @param offsets i32[sequences + 1], not decreasing: completion s is the tokens {@code [offsets[s], offsets[s+1])}
     * @param sequences number of completions
     * @param width values per token
     * @param tailFactor in [0, 1]. Completions 2i and 2i+1 are a pair. The factor of a token is 1 up to the length of
     *     the shorter completion of its pair, and {@code tailFactor} beyond it (LD-DPO, Liu et al. 2024)
     * @param average whether factors are divided by the number of tokens of the completion
     */
    public record Sequences(long offsets, long sequences, long width, float tailFactor, boolean average) {

        /** Plain sums of one value per token. */
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
     * {@code sums[s,:]} = the sum of {@code factor_i values[i,:]} over the tokens i of completion s; 0 if it is empty.
     *
     * @param sums written, f32[sequences, width]
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
     * {@code dValues[i,:] = factor_i dSums[s,:]} for the tokens i of completion s.
     *
     * @param dValues written, f32[offsets[sequences], width]
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
