package org.dpo4j.model.family;

import org.dpo4j.io.JsonFile;

/** Mistral (Jiang et al. 2023). All layers have a window, unless it is null. */
final class Mistral implements LlamaLike {
    private static final ConfigJson DEFAULTS = new ConfigJson(JsonFile.parse("""
            {"model_type": "mistral", "architectures": ["MistralForCausalLM"],
             "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
             "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": null, "hidden_act": "silu",
             "max_position_embeddings": 131072, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "sliding_window": 4096,
             "tie_word_embeddings": false, "initializer_range": 0.02, "bos_token_id": 1, "eos_token_id": 2}
            """));

    @Override
    public String modelType() {
        return "mistral";
    }

    @Override
    public ModelConfig read(ConfigJson json) {
        DecoderKeys keys = new DecoderKeys(json, DEFAULTS);
        keys.size("num_key_value_heads"); // null is not the number of heads here
        keys.refuseBias("attention_bias");
        keys.refuseBias("mlp_bias");
        return keys.config(keys.attention(
                Architecture.AttentionBias.NONE,
                keys.sameLayers(keys.rotation(), keys.all().integerOrNull("sliding_window"))));
    }
}
