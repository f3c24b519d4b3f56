package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.internal.LogitTransform;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * The next token of each row of logits: the argmax, or a draw after the steps of transformers' {@code
 * LogitsProcessorList}, in its order. {@code dpo4j.h} defines each step.
 *
 * <p>A bitmap of ids is {@code u32[bitmapWords(vocabulary)]}: bit {@code id % 32} of word {@code id / 32}.
 */
public final class SampleTokens {
    /** Words of a row of {@code draws}. */
    public static final int DRAW_WORDS = 4;

    private SampleTokens() {}

    /**
     * The rows of a call.
     *
     * @param tokens i32[count], written: an id, or {@code -1 - id} for the first id whose score is not finite
     * @param draws u32[count, {@link #DRAW_WORDS}]: low and high half of the seed, sample, and number of the token from 0
     */
    public record Rows(long tokens, long draws, long count) {}

    /**
     * Rows of logits.
     *
     * @param logits f32[.., vocabulary]
     * @param rowIndex i32[rows], the row of logits of each row of the call; several may have the same. 0: row i
     * @param stride elements between rows
     * @param transform of the logits, before all other steps
     */
    public record Logits(long logits, long rowIndex, long vocabulary, long stride, Transform transform) {}

    /**
     * The ids that each sequence contains, for the repetition penalty.
     *
     * @param seen a bitmap per sequence, to which the token is added; 0: none, the penalty must be 1
     * @param rowIndex i32[rows], the row of {@code seen} of each row of the call, no value twice; 0: row i
     * @param stride words between bitmaps
     */
    public record Seen(long seen, long rowIndex, long stride) {
        /** No bitmaps. */
        public static final Seen NONE = new Seen(0, 0, 0);
    }

    /**
     * Ids that are not sampled at the start of a text.
     *
     * @param ids a bitmap; 0: none
     * @param minNewTokens the ids are not sampled for tokens with a lower number
     */
    public record Suppressed(long ids, int minNewTokens) {
        /** No ids. */
        public static final Suppressed NONE = new Suppressed(0, 0);
    }

    /**
     * How to choose.
     *
     * @param repetitionPenalty divides the scores of ids that the sequence contains, or multiplies negative ones; 1:
     *     none
     * @param temperature divides the scores; 0: the argmax, the lowest id among equal ones
     * @param topK keeps ids whose score is at least the k-th largest; 0: none
     * @param topP keeps the most probable ids that together have this probability; 1: none
     * @param minP removes ids whose probability is below this part of the maximum; 0: none
     */
    public record Choice(float repetitionPenalty, float temperature, int topK, float topP, float minP) {
        /** The argmax. */
        public static final Choice GREEDY = new Choice(1, 0, 0, 1, 0);
    }

    /** Words of a bitmap of ids. */
    public static int bitmapWords(int vocabulary) {
        return (vocabulary + Integer.SIZE - 1) / Integer.SIZE;
    }

    /** Sets the bit of an id. */
    public static void setBit(int[] bitmap, int id) {
        bitmap[id / Integer.SIZE] |= 1 << id % Integer.SIZE;
    }

    /** Queues the choice of a token for each row. */
    public static void forward(
            Device device, Rows rows, Logits logits, Choice choice, Seen seen, Suppressed suppressed) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_sample_tokens_params")
                .address("tokens", rows.tokens)
                .address("seen", seen.seen)
                .address("logits", logits.logits)
                .address("logits_rows", logits.rowIndex)
                .address("seen_rows", seen.rowIndex)
                .address("suppressed", suppressed.ids)
                .address("draws", rows.draws)
                .int64("rows", rows.count)
                .int64("vocabulary", logits.vocabulary)
                .int64("logits_stride", logits.stride)
                .int64("seen_stride", seen.stride);
        Transform transform = logits.transform;
        LogitTransform.write(params, transform.bias(), transform.scale(), transform.cap())
                .float32("repetition_penalty", choice.repetitionPenalty)
                .float32("temperature", choice.temperature)
                .float32("top_p", choice.topP)
                .float32("min_p", choice.minP)
                .int32("top_k", choice.topK)
                .int32("min_new_tokens", suppressed.minNewTokens);
        Status.check(context, Native.dpo4j_sample_tokens(context, params.end()));
    }
}
