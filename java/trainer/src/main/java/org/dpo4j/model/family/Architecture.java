package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dpo4j.kernels.decoder.Activation;
import org.dpo4j.model.family.RopeScaling.LongRope;
import org.jspecify.annotations.Nullable;

/**
 * Sizes and traits of a decoder, independent of its family. The blocks of {@code org.dpo4j.model} read them. {@link
 * Mechanisms} lists the traits for which the blocks have no code yet.
 *
 * @param vocabSize rows of the embedding and of the head
 * @param hiddenSize width of the hidden states
 * @param layerCount number of layers, each with attention and MLP
 * @param maxPositions maximum tokens of a sequence
 * @param hasPositionEmbedding whether a learned vector of its position is added to the embedding of each token
 * @param norm traits of all norms
 * @param attention traits of attention
 * @param mlp traits of the MLP in all layers
 * @param scales constant factors of embedding and logits
 * @param isHeadTied whether the head is the embedding table
 */
public record Architecture(
        int vocabSize,
        int hiddenSize,
        int layerCount,
        int maxPositions,
        boolean hasPositionEmbedding,
        NormTraits norm,
        AttentionTraits attention,
        MlpTraits mlp,
        Scales scales,
        boolean isHeadTied) {

    /** The max head width of attention's kernels. */
    private static final int MAX_HEAD_DIM = 256;

    /** The min soft cap of attention's kernels, which divide by it. */
    private static final double MIN_CAP = 1e-30;

    /** Where the norms of a layer are. */
    public enum NormPlacement {
        /** {@code x += attention(norm(x)); x += mlp(norm(x))}. */
        BEFORE_BRANCH,
        /** {@code x += norm(attention(x)); x += norm(mlp(x))}. */
        AFTER_BRANCH,
        /** {@code x += norm(attention(norm(x))); x += norm(mlp(norm(x)))}, each norm with its own weight. */
        AROUND_BRANCH,
        /** {@code x += attention(norm(x)) + mlp(norm(x))}: both branches read the same x, each through its own norm. */
        BEFORE_PARALLEL_BRANCHES;

        public boolean hasBefore() {
            return this != AFTER_BRANCH;
        }

        public boolean hasAfter() {
            return this == AFTER_BRANCH || this == AROUND_BRANCH;
        }
    }

    /** The function of a norm. */
    public enum NormKind {
        /** {@code w x / sqrt(mean(x^2) + epsilon)}. */
        RMS_NORM,
        /** {@code (1 + w) x / sqrt(mean(x^2) + epsilon)}. */
        RMS_NORM_PLUS_ONE,
        /** {@code w (x - mean(x)) / sqrt(variance(x) + epsilon) + b}. */
        LAYER_NORM;

        /** Whether a norm has a bias beside its weight. */
        public boolean hasBias() {
            return this == LAYER_NORM;
        }
    }

    /** All norms of a model. */
    public record NormTraits(NormKind kind, double epsilon, NormPlacement placement) {
        public NormTraits {
            String key = kind == NormKind.LAYER_NORM ? "the epsilon of LayerNorm" : "rms_norm_eps";
            check(epsilon > 0 && epsilon < 1, key + " is " + epsilon + "; it must be between 0 and 1");
        }

        /** RMSNorm before each branch. */
        public NormTraits(double epsilon) {
            this(NormKind.RMS_NORM, epsilon, NormPlacement.BEFORE_BRANCH);
        }
    }

    /** Norms of queries and keys before their rotation, with {@link NormTraits}. */
    public enum QueryKeyNorm {
        NONE,
        /** Over each head, with one weight for all heads of the queries and one for all of the keys. */
        PER_HEAD,
        /** Over all heads of the queries together, and over all of the keys. */
        WHOLE_WIDTH
    }

    /**
     * Traits of attention that may differ between layers.
     *
     * @param rotation rotary positions; null: the layer knows no positions
     * @param window a query sees itself and the {@code window - 1} tokens before it; null: all tokens before it
     * @param scale factor of the layer's scores, besides that of all layers
     */
    public record LayerAttention(
            @Nullable Rotation rotation, @Nullable Integer window, double scale) {
        public LayerAttention {
            check(window == null || window > 0, "sliding_window is " + window + "; it must be at least 1");
            check(scale > 0 && scale <= 1, "the factor of a layer's scores is " + scale + "; it must be in (0, 1]");
        }

        /** Without a factor of its own. */
        public LayerAttention(@Nullable Rotation rotation, @Nullable Integer window) {
            this(rotation, window, 1);
        }
    }

    /** Which products of attention have a bias. */
    public record AttentionBias(boolean isOnQkv, boolean isOnOutput) {
        /** No product. */
        public static final AttentionBias NONE = new AttentionBias(false, false);
    }

    /**
     * Grouped-query attention.
     *
     * @param heads number of query heads
     * @param keyHeads number of key heads, and of value heads
     * @param headDim width of a head, at most 256
     * @param scale factor of the scores of all layers before the softmax
     * @param softCap scaled scores are replaced by {@code softCap tanh(score / softCap)}; 0: they are not
     * @param layers traits of each layer
     */
    public record AttentionTraits(
            int heads,
            int keyHeads,
            int headDim,
            double scale,
            double softCap,
            AttentionBias bias,
            QueryKeyNorm norm,
            List<LayerAttention> layers) {
        public AttentionTraits {
            checkSize("num_attention_heads", heads);
            checkSize("num_key_value_heads", keyHeads);
            check(
                    heads % keyHeads == 0,
                    "num_attention_heads is " + heads + ", which is not a multiple of num_key_value_heads " + keyHeads);
            check(
                    headDim > 0 && headDim <= MAX_HEAD_DIM,
                    "head_dim is " + headDim + "; even widths up to " + MAX_HEAD_DIM + " are supported");
            checkSize("num_attention_heads * head_dim", (int) Math.min(Integer.MAX_VALUE, (long) heads * headDim));
            check(
                    scale > 0 && scale <= Float.MAX_VALUE,
                    "the factor of the attention scores is " + scale + "; it must be positive and within fp32");
            check(
                    softCap == 0 || softCap >= MIN_CAP && softCap <= 1 / MIN_CAP,
                    "the soft cap of the attention scores is " + softCap + "; it must be between 1e-30 and 1e30");
            layers = List.copyOf(layers);
            for (LayerAttention layer : layers) {
                check(
                        layer.rotation == null || layer.rotation.width() <= headDim,
                        "partial_rotary_factor is above 1; at most a whole head can be rotated");
            }
        }

        /** All layers alike, scores divided by the root of the head width, no soft cap, no bias and no norm. */
        public AttentionTraits(int heads, int keyHeads, int headDim, Rotation rotation, int layerCount) {
            this(
                    heads,
                    keyHeads,
                    headDim,
                    1 / Math.sqrt(headDim),
                    0,
                    AttentionBias.NONE,
                    QueryKeyNorm.NONE,
                    Collections.nCopies(layerCount, new LayerAttention(rotation, null)));
        }

        /** Outputs of the query projection. */
        public int queryWidth() {
            return heads * headDim;
        }

        /** Outputs of the key projection, and of the value projection. */
        public int keyWidth() {
            return keyHeads * headDim;
        }
    }

    /**
     * {@code down(f(up(x)))}, or with a gate {@code down(f(gate(x)) * up(x))}. Gate and up have {@code innerSize} outputs.
     *
     * @param hasBias whether all these products have one
     */
    public record MlpTraits(int innerSize, Activation.Function function, boolean hasBias) {
        public MlpTraits {
            checkSize("intermediate_size", innerSize);
        }

        /** SwiGLU without bias. */
        public MlpTraits(int innerSize) {
            this(innerSize, new Activation.Function(Activation.Kind.SILU, true), false);
        }
    }

    /**
     * Constant factors.
     *
     * @param embedding of the rows of the embedding, as hidden states
     * @param isEmbeddingRounded whether that factor is rounded to the dtype of the weights before the product
     * @param logits of the logits
     * @param logitsCap scaled logits are replaced by {@code logitsCap tanh(logit / logitsCap)}; 0: they are not
     */
    public record Scales(double embedding, boolean isEmbeddingRounded, double logits, double logitsCap) {
        /** No factor. */
        public static final Scales NONE = new Scales(1, 1);

        /** Factors that are not rounded, and no cap. */
        public Scales(double embedding, double logits) {
            this(embedding, false, logits, 0);
        }

        public Scales {
            check(
                    embedding > 0 && embedding <= Float.MAX_VALUE,
                    "the factor of the embedding is " + embedding + "; it must be positive and within fp32");
            check(
                    logits > 0 && logits <= Float.MAX_VALUE,
                    "the factor of the logits is " + logits + "; it must be positive and within fp32");
            check(
                    logitsCap == 0 || logitsCap >= MIN_CAP && logitsCap <= 1 / MIN_CAP,
                    "the soft cap of the logits is " + logitsCap + "; it must be between 1e-30 and 1e30");
        }
    }

    public Architecture {
        checkSize("vocab_size", vocabSize);
        checkSize("hidden_size", hiddenSize);
        checkLayers(layerCount);
        checkSize("max_position_embeddings", maxPositions);
        check(
                attention.layers.size() == layerCount,
                "attention has traits of " + attention.layers.size() + " layers, but there are " + layerCount);
        check(
                shortLengths(attention).count() <= 1,
                "original_max_position_embeddings differs between layers with longrope, which is not supported");
    }

    /**
     * Maximum tokens of a sequence that is read with {@link Rotation#frequencies}; longer ones are read with {@link
     * Rotation#longFrequencies}. {@link Integer#MAX_VALUE}: the two are equal in all layers.
     */
    public int shortLength() {
        return shortLengths(attention).findFirst().orElse(Integer.MAX_VALUE);
    }

    private static IntStream shortLengths(AttentionTraits attention) {
        return attention.layers.stream()
                .map(LayerAttention::rotation)
                .flatMap(Stream::ofNullable)
                .map(Rotation::scaling)
                .filter(LongRope.class::isInstance)
                .mapToInt(scaling -> ((LongRope) scaling).originalPositions())
                .distinct();
    }

    /** The factor of a layer's scores. */
    public double scoreScale(int layer) {
        return attention.scale * attention.layers.get(layer).scale;
    }

    /** The window of a layer; 0 if it has none, or one of all positions, which hides nothing. */
    public int window(int layer) {
        Integer window = attention.layers.get(layer).window;
        return window == null || window >= maxPositions ? 0 : window;
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

    /** Before a list with an entry for each layer is made. */
    static void checkLayers(int layerCount) {
        checkSize("num_hidden_layers", layerCount);
        check(layerCount <= 4096, "num_hidden_layers is " + layerCount + "; at most 4096 are supported");
    }
}
