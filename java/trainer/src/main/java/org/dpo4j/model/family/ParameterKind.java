package org.dpo4j.model.family;

/** The parameters of a decoder, whatever a family calls the tensors that hold them. */
public enum ParameterKind {
    /** [vocabSize, hiddenSize]. */
    EMBEDDING,
    /** [qkvWidth, hiddenSize] of a layer: rows of the query, then the key, then the value projection. */
    QKV,
    /** [hiddenSize, queryWidth] of a layer. */
    ATTENTION_OUTPUT,
    /** [2 innerSize, hiddenSize] of a layer: rows of the gate, then of the up projection. */
    GATE_UP,
    /** [hiddenSize, innerSize] of a layer. */
    DOWN,
    /** [vocabSize, hiddenSize]; absent where the head is the embedding. */
    HEAD,
    /** [hiddenSize] of a layer. */
    ATTENTION_NORM,
    /** [hiddenSize] of a layer. */
    MLP_NORM,
    /** [hiddenSize]. */
    LAST_NORM
}
