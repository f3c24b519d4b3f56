package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.dpo4j.io.JsonFile;
import org.dpo4j.model.family.Architecture.AttentionTraits;
import org.dpo4j.model.family.Architecture.MlpTraits;
import org.dpo4j.model.family.Architecture.NormTraits;

/**
 * Llama (Touvron et al. 2023), without biases and without scaled positions. Keys that {@code config.json} lacks have
 * the defaults of transformers' {@code LlamaConfig}.
 */
public final class Llama implements Family {
    static final String MODEL_TYPE = "llama";

    private static final String BODY = "model.";
    private static final String HEAD = "lm_head.weight";
    private static final double DEFAULT_EPSILON = 1e-6;
    private static final double DEFAULT_THETA = 10000;
    private static final double DEFAULT_RANGE = 0.02;

    /** Rotary frequencies, which old checkpoints contain. transformers skips them too. */
    private static final Pattern FREQUENCIES =
            Pattern.compile(Pattern.quote(BODY) + "layers\\.\\d+\\.self_attn\\.rotary_emb\\.inv_freq");

    Llama() {}

    /**
     * The config of a new model. All other values are transformers' defaults: epsilon 1e-6, theta 10000, initializer
     * range 0.02, BOS 1, EOS 2, head width hidden / heads.
     */
    public static ModelConfig config(
            int vocabSize,
            int hiddenSize,
            int intermediateSize,
            int layers,
            int heads,
            int keyHeads,
            int maxPositions,
            boolean isHeadTied) {
        Architecture.checkSize("num_attention_heads", heads);
        Architecture architecture = new Architecture(
                vocabSize,
                hiddenSize,
                layers,
                maxPositions,
                new NormTraits(DEFAULT_EPSILON),
                new AttentionTraits(heads, keyHeads, hiddenSize / heads, DEFAULT_THETA),
                new MlpTraits(intermediateSize),
                isHeadTied);
        return new ModelConfig(MODEL_TYPE, architecture, DEFAULT_RANGE, 1, List.of(2));
    }

    @Override
    public String modelType() {
        return MODEL_TYPE;
    }

    @Override
    public ModelConfig read(ConfigJson config) {
        refuseOtherModels(config);
        int hidden = config.integer("hidden_size", 4096);
        int heads = config.integer("num_attention_heads", 32);
        Architecture.checkSize("num_attention_heads", heads);
        Architecture architecture = new Architecture(
                config.integer("vocab_size", 32000),
                hidden,
                config.integer("num_hidden_layers", 32),
                config.integer("max_position_embeddings", 2048),
                new NormTraits(config.number("rms_norm_eps", DEFAULT_EPSILON)),
                new AttentionTraits(
                        heads,
                        config.integer("num_key_value_heads", heads),
                        config.integer("head_dim", hidden / heads),
                        RopeKeys.theta(config, DEFAULT_THETA)),
                new MlpTraits(config.integer("intermediate_size", 11008)),
                config.flag("tie_word_embeddings", false));
        return new ModelConfig(
                MODEL_TYPE,
                architecture,
                config.number("initializer_range", DEFAULT_RANGE),
                config.bosTokenId(1),
                config.eosTokenIds(List.of(2)));
    }

    private static void refuseOtherModels(ConfigJson config) {
        for (JsonNode architecture : config.at("architectures").json()) {
            String name = architecture.asText();
            check(
                    name.equals("LlamaForCausalLM"),
                    "architecture " + name + " is not supported; only LlamaForCausalLM is");
        }
        String act = config.text("hidden_act", "silu");
        check(act.equals("silu"), "hidden_act is \"" + act + "\"; only \"silu\" is supported");
        for (String bias : List.of("attention_bias", "mlp_bias")) {
            check(!config.flag(bias, false), bias + " is true; only models without biases are supported");
        }
        check(
                config.number("attention_dropout", 0) == 0,
                "attention_dropout is not 0; set it to 0, dpo4j has no dropout");
        check(
                config.integer("pretraining_tp", 1) == 1,
                "pretraining_tp is not 1; set it to 1, dpo4j does not slice matrices");
        config.refuse("quantization_config", "save the model with dense float weights first");
        config.refuse("sliding_window", "only attention over the whole sequence is supported");
        for (JsonNode layer : config.at("layer_types").json()) {
            check(
                    layer.asText().equals("full_attention"),
                    "layer_types has " + layer + "; only attention over the whole sequence is supported");
        }
        RopeKeys.refuseScaling(config);
    }

    @Override
    public ObjectNode write(ModelConfig config) {
        Architecture architecture = config.architecture();
        AttentionTraits attention = architecture.attention();
        ObjectNode json = JsonFile.object();
        json.putArray("architectures").add("LlamaForCausalLM");
        json.put("attention_bias", false);
        json.put("attention_dropout", 0.0);
        json.put("bos_token_id", config.bosTokenId());
        if (config.eosTokenIds().size() == 1) {
            json.put("eos_token_id", config.eosTokenIds().get(0));
        } else {
            config.eosTokenIds().forEach(json.putArray("eos_token_id")::add);
        }
        json.put("head_dim", attention.headDim());
        json.put("hidden_act", "silu");
        json.put("hidden_size", architecture.hiddenSize());
        json.put("initializer_range", config.initializerRange());
        json.put("intermediate_size", architecture.mlp().innerSize());
        json.put("max_position_embeddings", architecture.maxPositions());
        json.put("mlp_bias", false);
        json.put("model_type", MODEL_TYPE);
        json.put("num_attention_heads", attention.heads());
        json.put("num_hidden_layers", architecture.layerCount());
        json.put("num_key_value_heads", attention.keyHeads());
        json.put("rms_norm_eps", architecture.norm().epsilon());
        json.putNull("rope_scaling");
        json.put("rope_theta", attention.ropeTheta());
        json.put("tie_word_embeddings", architecture.isHeadTied());
        json.put("use_cache", true);
        json.put("vocab_size", architecture.vocabSize());
        return json;
    }

    @Override
    public List<NamedTensor> tensors(Architecture architecture) {
        List<NamedTensor> tensors = new ArrayList<>();
        int hidden = architecture.hiddenSize();
        tensors.add(
                new NamedTensor(BODY + "embed_tokens.weight", ParameterKind.EMBEDDING, 0, 0, architecture.vocabSize()));
        for (int layer = 0; layer < architecture.layerCount(); layer++) {
            addLayer(tensors, architecture, layer);
        }
        tensors.add(new NamedTensor(BODY + "norm.weight", ParameterKind.LAST_NORM, 0, 0, hidden));
        if (!architecture.isHeadTied()) {
            tensors.add(new NamedTensor(HEAD, ParameterKind.HEAD, 0, 0, architecture.vocabSize()));
        }
        return tensors;
    }

    private static void addLayer(List<NamedTensor> tensors, Architecture architecture, int layer) {
        int hidden = architecture.hiddenSize();
        int queries = architecture.attention().queryWidth();
        int keys = architecture.attention().keyWidth();
        int inner = architecture.mlp().innerSize();
        String prefix = BODY + "layers." + layer + ".";
        String attention = prefix + "self_attn.";
        String mlp = prefix + "mlp.";
        tensors.addAll(List.of(
                new NamedTensor(prefix + "input_layernorm.weight", ParameterKind.ATTENTION_NORM, layer, 0, hidden),
                new NamedTensor(attention + "q_proj.weight", ParameterKind.QKV, layer, 0, queries),
                new NamedTensor(attention + "k_proj.weight", ParameterKind.QKV, layer, queries, keys),
                new NamedTensor(attention + "v_proj.weight", ParameterKind.QKV, layer, queries + keys, keys),
                new NamedTensor(attention + "o_proj.weight", ParameterKind.ATTENTION_OUTPUT, layer, 0, hidden),
                new NamedTensor(prefix + "post_attention_layernorm.weight", ParameterKind.MLP_NORM, layer, 0, hidden),
                new NamedTensor(mlp + "gate_proj.weight", ParameterKind.GATE_UP, layer, 0, inner),
                new NamedTensor(mlp + "up_proj.weight", ParameterKind.GATE_UP, layer, inner, inner),
                new NamedTensor(mlp + "down_proj.weight", ParameterKind.DOWN, layer, 0, hidden)));
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
        return FREQUENCIES.matcher(tensor).matches();
    }
}
