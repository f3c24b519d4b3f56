package org.dpo4j.model.family;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.dpo4j.model.family.Architecture.AttentionTraits;
import org.dpo4j.model.family.Architecture.NormPlacement;
import org.dpo4j.model.family.Architecture.QueryKeyNorm;

/** A family that names its tensors as Llama does. */
interface LlamaLike extends Family {
    String BODY = "model.";
    String HEAD = "lm_head.weight";

    /** Rotary frequencies, which old checkpoints contain. transformers skips them too. */
    Pattern FREQUENCIES = Pattern.compile(Pattern.quote(BODY) + "layers\\.\\d+\\.self_attn\\.rotary_emb\\.inv_freq");

    @Override
    default List<String> loraTargets() {
        return List.of("q_proj", "v_proj");
    }

    @Override
    default List<NamedTensor> tensors(Architecture architecture) {
        List<NamedTensor> tensors = new ArrayList<>();
        int hidden = architecture.hiddenSize();
        tensors.add(
                new NamedTensor(BODY + "embed_tokens.weight", ParameterKind.EMBEDDING, 0, 0, architecture.vocabSize()));
        for (int layer = 0; layer < architecture.layerCount(); layer++) {
            String prefix = BODY + "layers." + layer + ".";
            for (Map.Entry<String, ParameterKind> norm :
                    branchNorms(architecture.norm().placement()).entrySet()) {
                tensors.add(new NamedTensor(prefix + norm.getKey() + ".weight", norm.getValue(), layer, 0, hidden));
            }
            tensors.addAll(queryKeyNorms(prefix, architecture.attention(), layer));
            tensors.addAll(attention(prefix + "self_attn.", architecture, layer));
            tensors.addAll(mlp(prefix + "mlp.", architecture, layer));
        }
        tensors.add(new NamedTensor(BODY + "norm.weight", ParameterKind.LAST_NORM, 0, 0, hidden));
        if (!architecture.isHeadTied()) {
            tensors.add(new NamedTensor(HEAD, ParameterKind.HEAD, 0, 0, architecture.vocabSize()));
        }
        return tensors;
    }

    /** {@code post_attention_layernorm} is the norm after attention only if a layer has norms after its branches. */
    private static Map<String, ParameterKind> branchNorms(NormPlacement placement) {
        return switch (placement) {
            case BEFORE_BRANCH, BEFORE_PARALLEL_BRANCHES ->
                Map.of(
                        "input_layernorm", ParameterKind.ATTENTION_NORM,
                        "post_attention_layernorm", ParameterKind.MLP_NORM);
            case AFTER_BRANCH ->
                Map.of(
                        "post_attention_layernorm", ParameterKind.ATTENTION_OUTPUT_NORM,
                        "post_feedforward_layernorm", ParameterKind.MLP_OUTPUT_NORM);
            case AROUND_BRANCH ->
                Map.of(
                        "input_layernorm", ParameterKind.ATTENTION_NORM,
                        "post_attention_layernorm", ParameterKind.ATTENTION_OUTPUT_NORM,
                        "pre_feedforward_layernorm", ParameterKind.MLP_NORM,
                        "post_feedforward_layernorm", ParameterKind.MLP_OUTPUT_NORM);
        };
    }

    private static List<NamedTensor> queryKeyNorms(String prefix, AttentionTraits attention, int layer) {
        if (attention.norm() == QueryKeyNorm.NONE) {
            return List.of();
        }
        boolean isPerHead = attention.norm() == QueryKeyNorm.PER_HEAD;
        int queries = isPerHead ? attention.headDim() : attention.queryWidth();
        int keys = isPerHead ? attention.headDim() : attention.keyWidth();
        return List.of(
                new NamedTensor(prefix + "self_attn.q_norm.weight", ParameterKind.QUERY_NORM, layer, 0, queries),
                new NamedTensor(prefix + "self_attn.k_norm.weight", ParameterKind.KEY_NORM, layer, 0, keys));
    }

    /** The matrices of a layer's attention, whose names begin with {@code prefix}. */
    default List<NamedTensor> attention(String prefix, Architecture architecture, int layer) {
        int hidden = architecture.hiddenSize();
        int queries = architecture.attention().queryWidth();
        int keys = architecture.attention().keyWidth();
        return List.of(
                new NamedTensor(prefix + "q_proj.weight", ParameterKind.QKV, layer, 0, queries),
                new NamedTensor(prefix + "k_proj.weight", ParameterKind.QKV, layer, queries, keys),
                new NamedTensor(prefix + "v_proj.weight", ParameterKind.QKV, layer, queries + keys, keys),
                new NamedTensor(prefix + "o_proj.weight", ParameterKind.ATTENTION_OUTPUT, layer, 0, hidden));
    }

    /** The matrices of a layer's MLP, whose names begin with {@code prefix}. */
    default List<NamedTensor> mlp(String prefix, Architecture architecture, int layer) {
        int hidden = architecture.hiddenSize();
        int inner = architecture.mlp().innerSize();
        return List.of(
                new NamedTensor(prefix + "gate_proj.weight", ParameterKind.GATE_UP, layer, 0, inner),
                new NamedTensor(prefix + "up_proj.weight", ParameterKind.GATE_UP, layer, inner, inner),
                new NamedTensor(prefix + "down_proj.weight", ParameterKind.DOWN, layer, 0, hidden));
    }

    @Override
    default String headName() {
        return HEAD;
    }

    @Override
    default String bodyPrefix() {
        return BODY;
    }

    @Override
    default boolean isComputed(String tensor) {
        return FREQUENCIES.matcher(tensor).matches();
    }
}
