package org.dpo4j.model;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.dpo4j.kernels.Dpo4jException;

/** Where every tensor of a model lies in its flat buffers, in elements: matrices first, norms after them. */
final class ParameterLayout {

    /**
     * Offsets of one layer.
     *
     * @param qkv [(heads + 2 kvHeads) headDim, hidden]: query, key and value projections
     * @param output [hidden, heads headDim]
     * @param gateUp [2 intermediate, hidden]
     * @param down [hidden, intermediate]
     * @param attentionNorm [hidden], before attention
     * @param feedForwardNorm [hidden], before the feed-forward network
     */
    record Layer(long qkv, long output, long gateUp, long down, long attentionNorm, long feedForwardNorm) {}

    final long embedding;
    /** The embedding's offset where the two are tied. */
    final long head;

    final long norm;
    final List<Layer> layers;
    final List<ParameterTensor> tensors;
    final long decayCount;
    final long count;

    private final List<ParameterTensor> found = new ArrayList<>();
    private long next;

    ParameterLayout(LlamaConfig config) {
        int hidden = config.hiddenSize();
        int queryRows = config.numAttentionHeads() * config.headDim();
        int keyRows = config.numKeyValueHeads() * config.headDim();
        int inner = config.intermediateSize();
        int depth = config.numHiddenLayers();
        long[][] offsets = new long[depth][6];
        try {
            embedding = matrix("model.embed_tokens.weight", config.vocabSize(), hidden);
            for (int i = 0; i < depth; i++) {
                String layer = "model.layers." + i + ".";
                offsets[i][0] = matrix(layer + "self_attn.q_proj.weight", queryRows, hidden);
                append(layer + "self_attn.k_proj.weight", keyRows, hidden);
                append(layer + "self_attn.v_proj.weight", keyRows, hidden);
                offsets[i][1] = matrix(layer + "self_attn.o_proj.weight", hidden, queryRows);
                offsets[i][2] = matrix(layer + "mlp.gate_proj.weight", inner, hidden);
                append(layer + "mlp.up_proj.weight", inner, hidden);
                offsets[i][3] = matrix(layer + "mlp.down_proj.weight", hidden, inner);
            }
            head = config.tieWordEmbeddings() ? embedding : matrix("lm_head.weight", config.vocabSize(), hidden);
            align();
            decayCount = next;
            for (int i = 0; i < depth; i++) {
                String layer = "model.layers." + i + ".";
                offsets[i][4] = vector(layer + "input_layernorm.weight", hidden);
                offsets[i][5] = vector(layer + "post_attention_layernorm.weight", hidden);
            }
            norm = vector("model.norm.weight", hidden);
            align();
            count = next;
        } catch (ArithmeticException e) {
            throw new Dpo4jException("the sizes in config.json make a model of more than 2^63 weights", e);
        }
        List<Layer> all = new ArrayList<>();
        for (long[] at : offsets) {
            all.add(new Layer(at[0], at[1], at[2], at[3], at[4], at[5]));
        }
        layers = List.copyOf(all);
        found.sort(Comparator.comparingLong(ParameterTensor::offset));
        tensors = List.copyOf(found);
    }

    private long matrix(String name, int rows, int columns) {
        align();
        return append(name, rows, columns);
    }

    private long append(String name, int rows, int columns) {
        return add(new ParameterTensor(name, next, rows, columns, true));
    }

    private long vector(String name, int columns) {
        align();
        return add(new ParameterTensor(name, next, 1, columns, false));
    }

    private long add(ParameterTensor tensor) {
        found.add(tensor);
        next = Math.addExact(next, tensor.count());
        return tensor.offset();
    }

    private void align() {
        next = Math.addExact(next, -next & Parameters.ALIGNMENT - 1);
    }
}
