package org.dpo4j.model.family;

import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * What a decoder computes, whatever its family: the blocks of {@code org.dpo4j.model} read sizes and traits from here. A
 * layer is serial with a norm before each branch: {@code x += attention(norm(x)); x += mlp(norm(x))}.
 *
 * @param vocabSize rows of the embedding and of the head
 * @param hiddenSize width of the hidden states
 * @param layerCount attention and MLP, so many times
 * @param maxPositions tokens of the longest sequence
 * @param norm all norms of the decoder
 * @param attention all layers' attention
 * @param mlp all layers' MLP
 * @param isHeadTied whether the head is the embedding table
 */
public record Architecture(
        int vocabSize,
        int hiddenSize,
        int layerCount,
        int maxPositions,
        NormTraits norm,
        AttentionTraits attention,
        MlpTraits mlp,
        boolean isHeadTied) {

    /** RMSNorm: {@code w x / sqrt(mean(x^2) + epsilon)}. */
    public record NormTraits(double epsilon) {
        public NormTraits {
            check(epsilon > 0 && epsilon < 1, "rms_norm_eps is " + epsilon + "; it lies between 0 and 1");
        }
    }

    /**
     * Grouped-query attention with rotary positions.
     *
     * @param heads of queries
     * @param keyHeads of keys and of values
     * @param headDim width of a head
     * @param ropeTheta base of the rotary frequencies
     */
    public record AttentionTraits(int heads, int keyHeads, int headDim, double ropeTheta) {
        public AttentionTraits {
            checkSize("num_attention_heads", heads);
            checkSize("num_key_value_heads", keyHeads);
            check(heads % keyHeads == 0, "num_attention_heads is not a multiple of num_key_value_heads");
            check(
                    headDim > 0 && headDim % 8 == 0 && headDim <= 256,
                    "head_dim is " + headDim + "; multiples of 8 up to 256 are supported");
            checkSize("num_attention_heads * head_dim", (int) Math.min(Integer.MAX_VALUE, (long) heads * headDim));
            check(
                    ropeTheta > 1 && ropeTheta <= Float.MAX_VALUE,
                    "rope_theta is " + ropeTheta + "; it is above 1 and an fp32 number");
        }

        /** Elements of a row of queries, and of attention's result. */
        public int queryWidth() {
            return heads * headDim;
        }

        /** Elements of a row of keys, and of values. */
        public int keyWidth() {
            return keyHeads * headDim;
        }

        /** Elements of a row that holds queries, keys and values. */
        public int qkvWidth() {
            return queryWidth() + 2 * keyWidth();
        }
    }

    /** SwiGLU: {@code down(silu(gate(x)) * up(x))}, with {@code innerSize} elements between. */
    public record MlpTraits(int innerSize) {
        public MlpTraits {
            checkSize("intermediate_size", innerSize);
        }
    }

    public Architecture {
        checkSize("vocab_size", vocabSize);
        checkSize("hidden_size", hiddenSize);
        checkSize("num_hidden_layers", layerCount);
        checkSize("max_position_embeddings", maxPositions);
        check(layerCount <= 4096, "num_hidden_layers is " + layerCount + "; at most 4096 are supported");
        check(hiddenSize % 8 == 0, "hidden_size is " + hiddenSize + "; multiples of 8 are supported");
    }

    /**
     * Maximum tokens of a sequence where {@code asked} are asked for, or {@code otherwise} where null is: never more than
     * there are positions. Throws where more were asked for.
     */
    public int maxLength(@Nullable Integer asked, int otherwise) {
        if (asked == null) {
            return Math.min(otherwise, maxPositions);
        }
        check(
                asked <= maxPositions,
                "max_length is " + asked + " but the model has " + maxPositions + " positions; set max_length to "
                        + maxPositions + " or less");
        return asked;
    }

    /** The upper bound keeps every product of two sizes within 64 bits, whatever a file claims. */
    static void checkSize(String key, int value) {
        check(value > 0 && value <= 1 << 26, key + " is " + value + "; sizes lie between 1 and 2^26");
    }

    private static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new Dpo4jException(otherwise);
        }
    }
}
