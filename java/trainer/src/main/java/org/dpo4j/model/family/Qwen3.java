package org.dpo4j.model.family;

import org.dpo4j.io.JsonFile;
import org.dpo4j.model.family.Architecture.QueryKeyNorm;

/** Qwen3 (Yang et al. 2025), dense: each head's queries and keys are normed before their rotation. */
final class Qwen3 implements LlamaLike {
    private static final ConfigJson DEFAULTS = new ConfigJson(JsonFile.parse("""
            {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"],
             "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
             "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": 128, "hidden_act": "silu",
             "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "attention_bias": false,
             "use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 28,
             "tie_word_embeddings": false, "initializer_range": 0.02, "bos_token_id": null, "eos_token_id": null}
            """));

    @Override
    public String modelType() {
        return "qwen3";
    }

    @Override
    public ModelConfig read(ConfigJson json) {
        DecoderKeys keys = new DecoderKeys(json, DEFAULTS);
        keys.refuseBias("mlp_bias");
        return keys.config(keys.attention(
                1 / Math.sqrt(keys.headWidth()), keys.attentionBias(), QueryKeyNorm.PER_HEAD, Qwen2.layers(keys)));
    }
}
