package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

import com.fasterxml.jackson.databind.node.ObjectNode;
import org.dpo4j.io.JsonFile;

/** Llama 2, 3, 3.1 and 3.2 (Touvron et al. 2023; Grattafiori et al. 2024), and models of the same class. */
public final class Llama implements LlamaLike {
    static final String MODEL_TYPE = "llama";

    private static final ConfigJson DEFAULTS = new ConfigJson(JsonFile.parse("""
            {"model_type": "llama", "architectures": ["LlamaForCausalLM"],
             "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
             "num_attention_heads": 32, "num_key_value_heads": null, "head_dim": null, "hidden_act": "silu",
             "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "attention_bias": false,
             "mlp_bias": false, "tie_word_embeddings": false, "initializer_range": 0.02, "bos_token_id": 1,
             "eos_token_id": 2}
            """));

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
        ObjectNode json = JsonFile.object();
        json.putArray("architectures").add("LlamaForCausalLM");
        json.put("attention_bias", false);
        json.put("attention_dropout", 0.0);
        json.put("bos_token_id", 1);
        json.put("eos_token_id", 2);
        json.put("head_dim", hiddenSize / heads);
        json.put("hidden_act", "silu");
        json.put("hidden_size", hiddenSize);
        json.put("initializer_range", 0.02);
        json.put("intermediate_size", intermediateSize);
        json.put("max_position_embeddings", maxPositions);
        json.put("mlp_bias", false);
        json.put("model_type", MODEL_TYPE);
        json.put("num_attention_heads", heads);
        json.put("num_hidden_layers", layers);
        json.put("num_key_value_heads", keyHeads);
        json.put("rms_norm_eps", 1e-6);
        json.putNull("rope_scaling");
        json.put("rope_theta", 10000.0);
        json.put("tie_word_embeddings", isHeadTied);
        json.put("use_cache", true);
        json.put("vocab_size", vocabSize);
        ModelConfig config = new Llama().read(new ConfigJson(json));
        Mechanisms.check(config.architecture());
        return config;
    }

    @Override
    public String modelType() {
        return MODEL_TYPE;
    }

    @Override
    public ModelConfig read(ConfigJson json) {
        DecoderKeys keys = new DecoderKeys(json, DEFAULTS);
        int hidden = keys.all().integer("hidden_size");
        int heads = keys.all().integer("num_attention_heads");
        check(
                hidden % heads == 0,
                "hidden_size is " + hidden + ", which is not a multiple of num_attention_heads " + heads
                        + "; transformers does not load such a Llama");
        json.refuse("sliding_window", "transformers does not read it for a Llama; remove it");
        return keys.config(keys.attention(keys.attentionBias(), keys.sameLayers(keys.rotation(), null)));
    }
}
