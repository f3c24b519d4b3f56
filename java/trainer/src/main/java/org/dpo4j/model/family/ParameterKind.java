package org.dpo4j.model.family;

import org.jspecify.annotations.Nullable;

/** The parameters of a decoder, independent of the tensor names of its family. */
public enum ParameterKind {
    /** [vocabSize, hiddenSize]. */
    EMBEDDING,
    /** [maxPositions, hiddenSize]; absent without learned positions. */
    POSITION_EMBEDDING,
    /** [queryWidth + 2 keyWidth, hiddenSize] of a layer: rows of the query, key and value projections, in this order. */
    QKV,
    /** [queryWidth + 2 keyWidth] of a layer; absent without bias, as the biases below. */
    QKV_BIAS,
    /** [hiddenSize, queryWidth] of a layer. */
    ATTENTION_OUTPUT,
    /** [hiddenSize] of a layer. */
    ATTENTION_OUTPUT_BIAS,
    /** [2 innerSize, hiddenSize] of a layer with a gated MLP: rows of the gate projection, then of the up projection. */
    GATE_UP,
    /** [2 innerSize] of a layer. */
    GATE_UP_BIAS,
    /** [innerSize, hiddenSize] of a layer with an MLP without gate. */
    UP,
    /** [innerSize] of a layer. */
    UP_BIAS,
    /** [hiddenSize, innerSize] of a layer. */
    DOWN,
    /** [hiddenSize] of a layer. */
    DOWN_BIAS,
    /** [vocabSize, hiddenSize]; absent if the head is tied to the embedding. */
    HEAD,
    /** [hiddenSize] of a layer: the norm of attention's input, if there is one. */
    ATTENTION_NORM,
    /** [hiddenSize] of a layer: the norm of attention's output, if there is one. */
    ATTENTION_OUTPUT_NORM,
    /** [headDim] of a layer if each head has its own norm, else [queryWidth]; absent without a norm of queries. */
    QUERY_NORM,
    /** [headDim] of a layer if each head has its own norm, else [keyWidth]; absent without a norm of keys. */
    KEY_NORM,
    /** [hiddenSize] of a layer: the norm of the MLP's input, if there is one. */
    MLP_NORM,
    /** [hiddenSize] of a layer: the norm of the MLP's output, if there is one. */
    MLP_OUTPUT_NORM,
    /** [hiddenSize]. */
    LAST_NORM,
    /** [hiddenSize] of a layer: the bias of {@link #ATTENTION_NORM}; absent in RMSNorm, as the biases below. */
    ATTENTION_NORM_BIAS,
    /** [hiddenSize] of a layer. */
    ATTENTION_OUTPUT_NORM_BIAS,
    /** [hiddenSize] of a layer. */
    MLP_NORM_BIAS,
    /** [hiddenSize] of a layer. */
    MLP_OUTPUT_NORM_BIAS,
    /** [hiddenSize]. */
    LAST_NORM_BIAS;

    /** Whether it is the matrix of a linear layer inside of a layer, which can have adapters or be stored in 4 bits. */
    public boolean isProjection() {
        return switch (this) {
            case QKV, ATTENTION_OUTPUT, GATE_UP, UP, DOWN -> true;
            default -> false;
        };
    }

    /** The kind of this weight's bias; null if no model has one. */
    public @Nullable ParameterKind bias() {
        return switch (this) {
            case QKV -> QKV_BIAS;
            case ATTENTION_OUTPUT -> ATTENTION_OUTPUT_BIAS;
            case GATE_UP -> GATE_UP_BIAS;
            case UP -> UP_BIAS;
            case DOWN -> DOWN_BIAS;
            case ATTENTION_NORM -> ATTENTION_NORM_BIAS;
            case ATTENTION_OUTPUT_NORM -> ATTENTION_OUTPUT_NORM_BIAS;
            case MLP_NORM -> MLP_NORM_BIAS;
            case MLP_OUTPUT_NORM -> MLP_OUTPUT_NORM_BIAS;
            case LAST_NORM -> LAST_NORM_BIAS;
            default -> null;
        };
    }
}
