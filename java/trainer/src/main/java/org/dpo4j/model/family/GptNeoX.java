package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.dpo4j.io.JsonFile;
import org.dpo4j.model.family.Architecture.AttentionTraits;
import org.dpo4j.model.family.Architecture.NormKind;
import org.dpo4j.model.family.Architecture.NormPlacement;
import org.dpo4j.model.family.Architecture.NormTraits;
import org.dpo4j.model.family.Architecture.Scales;

/**
 * GPT-NeoX (Black et al. 2022) and Pythia (Biderman et al. 2023): attention and MLP read the same hidden states, LayerNorm,
 * a part of each head is rotated. Files hold the rows of queries, keys and values head by head.
 */
final class GptNeoX implements Family {
    private static final String BODY = "gpt_neox.";
    private static final String HEAD = "embed_out.weight";

    /** The head's name in transformers' module, which few files have. */
    private static final String USUAL_HEAD = "lm_head.weight";

    private static final Pattern COMPUTED = Pattern.compile(
            Pattern.quote(BODY) + "layers\\.\\d+\\.attention\\.(bias|masked_bias|rotary_emb\\.inv_freq)");

    private static final ConfigJson DEFAULTS = new ConfigJson(JsonFile.parse("""
            {"model_type": "gpt_neox", "architectures": ["GPTNeoXForCausalLM"],
             "vocab_size": 50432, "hidden_size": 6144, "intermediate_size": 24576, "num_hidden_layers": 44,
             "num_attention_heads": 64, "hidden_act": "gelu", "max_position_embeddings": 2048,
             "layer_norm_eps": 1e-5, "rotary_emb_base": 10000.0, "rotary_pct": 0.25, "attention_bias": true,
             "use_parallel_residual": true, "tie_word_embeddings": false, "initializer_range": 0.02,
             "bos_token_id": 0, "eos_token_id": 2}
            """));

    @Override
    public String modelType() {
        return "gpt_neox";
    }

    @Override
    public ModelConfig read(ConfigJson json) {
        for (String key : List.of("head_dim", "num_key_value_heads", "sliding_window", "layer_types")) {
            json.refuse(key, "transformers does not read it for a GPT-NeoX; remove it");
        }
        DecoderKeys keys = new DecoderKeys(json, DEFAULTS, Map.of("rms_norm_eps", "layer_norm_eps"));
        keys.refuseBiasOtherThan(true, "mlp_bias");
        NormPlacement placement = keys.all().flag("use_parallel_residual")
                ? NormPlacement.BEFORE_PARALLEL_BRANCHES
                : NormPlacement.BEFORE_BRANCH;
        return keys.config(
                keys.attention(keys.attentionBias(), keys.sameLayers(rotation(json, keys), null)),
                new NormTraits(NormKind.LAYER_NORM, keys.epsilon(), placement),
                keys.mlpWithoutGate(true),
                Scales.NONE);
    }

    /**
     * transformers 4 writes {@code rotary_emb_base} and {@code rotary_pct}. transformers 5 writes both into {@code
     * rope_parameters}, and ignores the keys that other families have at the top level.
     */
    private static Rotation rotation(ConfigJson json, DecoderKeys keys) {
        RopeKeys rope = keys.rope();
        double theta = given(json, keys, "rope_theta", "rotary_emb_base");
        double share = given(json, keys, "partial_rotary_factor", "rotary_pct");
        return new Rotation(theta, (int) (keys.headWidth() * share), rope.scaling(rope.type(), keys.maxPositions()));
    }

    /** The value of a key of the object, or else of {@code name} at the top level. Throws if the file has another one too. */
    private static double given(ConfigJson json, DecoderKeys keys, String inside, String name) {
        ConfigJson object = keys.rope().parameters();
        double value = object.number(inside, keys.all().number(name));
        for (String key : List.of(name, inside)) {
            check(
                    json.number(key, value) == value,
                    key + " is " + json.json().get(key) + ", but transformers reads " + value + " from "
                            + (object.json().hasNonNull(inside) ? keys.rope().name() + "." + inside : name)
                            + "; keep the one of the model's training");
        }
        return value;
    }

    @Override
    public List<String> loraTargets() {
        return List.of("query_key_value");
    }

    @Override
    public List<NamedTensor> tensors(Architecture architecture) {
        List<NamedTensor> tensors = new ArrayList<>();
        int hidden = architecture.hiddenSize();
        int vocabulary = architecture.vocabSize();
        tensors.add(new NamedTensor(BODY + "embed_in.weight", ParameterKind.EMBEDDING, 0, 0, vocabulary));
        for (int layer = 0; layer < architecture.layerCount(); layer++) {
            tensors.addAll(layer(BODY + "layers." + layer + ".", architecture, layer));
        }
        tensors.add(new NamedTensor(BODY + "final_layer_norm.weight", ParameterKind.LAST_NORM, 0, 0, hidden));
        if (!architecture.isHeadTied()) {
            tensors.add(new NamedTensor(HEAD, ParameterKind.HEAD, 0, 0, vocabulary));
        }
        return tensors;
    }

    private static List<NamedTensor> layer(String prefix, Architecture architecture, int layer) {
        int hidden = architecture.hiddenSize();
        int inner = architecture.mlp().innerSize();
        String qkv = prefix + "attention.query_key_value.weight";
        String output = prefix + "attention.dense.weight";
        return List.of(
                new NamedTensor(prefix + "input_layernorm.weight", ParameterKind.ATTENTION_NORM, layer, 0, hidden),
                new NamedTensor(prefix + "post_attention_layernorm.weight", ParameterKind.MLP_NORM, layer, 0, hidden),
                new NamedTensor(qkv, ParameterKind.QKV, layer, rowsByHead(architecture.attention()), false),
                new NamedTensor(output, ParameterKind.ATTENTION_OUTPUT, layer, 0, hidden),
                new NamedTensor(prefix + "mlp.dense_h_to_4h.weight", ParameterKind.UP, layer, 0, inner),
                new NamedTensor(prefix + "mlp.dense_4h_to_h.weight", ParameterKind.DOWN, layer, 0, hidden));
    }

    /** Queries, keys and values of head 0, then of head 1, and so on; the parameter has all queries first. */
    private static List<NamedTensor.Rows> rowsByHead(AttentionTraits attention) {
        int heads = attention.heads();
        int width = attention.headDim();
        return IntStream.range(0, 3 * heads)
                .mapToObj(i -> new NamedTensor.Rows((i % 3 * heads + i / 3) * width, width))
                .toList();
    }

    @Override
    public String savedName(String stored) {
        return stored.equals(USUAL_HEAD) ? HEAD : stored;
    }

    @Override
    public String headName() {
        return HEAD;
    }

    @Override
    public String bodyPrefix() {
        return BODY;
    }

    @Override
    public boolean isComputed(String tensor) {
        return COMPUTED.matcher(tensor).matches();
    }
}
