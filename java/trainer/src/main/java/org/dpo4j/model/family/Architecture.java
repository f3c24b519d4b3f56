package org.dpo4j.model.family;

import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Sizes and traits of a decoder, independent of its family. The blocks of {@code org.dpo4j.model} read them. A layer is
 * serial with a norm before each branch: {@code x += attention(norm(x)); x += mlp(norm(x))}.
 *
 * @param vocabSize rows of the embedding and of the head
 * @param hiddenSize width of the hidden states
 * @param layerCount number of layers, each with attention and MLP
 * @param maxPositions maximum tokens of a sequence
 * @param norm traits of all norms
 * @param attention traits of attention in all layers
 * @param mlp traits of the MLP in all layers
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

    /** The max head width of attention's kernels. */
    private static final int MAX_HEAD_DIM = 256;

    /** RMSNorm: {@code w x / sqrt(mean(x^2) + epsilon)}. */
    public record NormTraits(double epsilon) {
        public NormTraits {
            check(epsilon > 0 && epsilon < 1, "rms_norm_eps is " + epsilon + "; it must be between 0 and 1");
        }
    }

    /**
     * Grouped-query attention with rotary positions.
     *
     * @param heads number of query heads
     * @param keyHeads number of key heads, and of value heads
     * @param headDim width of a head, at most 256, which is even because pairs of its elements are rotated
     * @param ropeTheta base of the rotary frequencies
     */
    public record AttentionTraits(int heads, int keyHeads, int headDim, double ropeTheta) {
        public AttentionTraits {
            checkSize("num_attention_heads", heads);
            checkSize("num_key_value_heads", keyHeads);
            check(heads % keyHeads == 0, "num_attention_heads is not a multiple of num_key_value_heads");
            check(
                    headDim > 0 && headDim % 2 == 0 && headDim <= MAX_HEAD_DIM,
                    "head_dim is " + headDim + "; even widths up to " + MAX_HEAD_DIM + " are supported");
            checkSize("num_attention_heads * head_dim", (int) Math.min(Integer.MAX_VALUE, (long) heads * headDim));
            check(
                    ropeTheta > 1 && ropeTheta <= Float.MAX_VALUE,
                    "rope_theta is " + ropeTheta + "; it must be above 1 and within fp32");
        }

        /** Outputs of the query projection. */
        public int queryWidth() {
            return heads * headDim;
        }

        /** Outputs of the key projection, and of the value projection. */
        public int keyWidth() {
            return keyHeads * headDim;
        }

        /** The first elements of a head, which are rotated. */
        public int rotaryWidth() {
            return headDim;
        }
    }

    /** SwiGLU: {@code down(silu(gate(x)) * up(x))}, where gate and up have {@code innerSize} outputs. */
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
    }

    /**
     * Maximum tokens of a sequence: {@code asked}, or if that is null the minimum of {@code otherwise} and the model's
     * positions. Throws if {@code asked} exceeds the model's positions.
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
        check(value > 0 && value <= 1 << 26, key + " is " + value + "; sizes must be between 1 and 2^26");
    }

    private static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new Dpo4jException(otherwise);
        }
    }
}
