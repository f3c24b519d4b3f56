package org.dpo4j.model.family;

import org.dpo4j.io.JsonFile;
import org.dpo4j.model.family.Architecture.QueryKeyNorm;

/** Gemma 2 (Gemma Team 2024): soft caps of scores and logits, and a window in every other layer. */
final class Gemma2 implements LlamaLike {
    private static final ConfigJson DEFAULTS = new ConfigJson(JsonFile.parse("""
            {"model_type": "gemma2", "architectures": ["Gemma2ForCausalLM"],
             "vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
             "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
             "hidden_activation": "gelu_pytorch_tanh", "max_position_embeddings": 8192, "rms_norm_eps": 1e-6,
             "rope_theta": 10000.0, "attention_bias": false, "query_pre_attn_scalar": 256, "sliding_window": 4096,
             "layer_types": null, "final_logit_softcapping": 30.0, "attn_logit_softcapping": 50.0,
             "tie_word_embeddings": true, "initializer_range": 0.02, "bos_token_id": 2, "eos_token_id": 1}
            """));

    @Override
    public String modelType() {
        return "gemma2";
    }

    @Override
    public ModelConfig read(ConfigJson json) {
        GemmaKeys gemma = GemmaKeys.read(json, DEFAULTS);
        Rotation rotation = gemma.keys().rotation();
        return gemma.config(
                gemma.softCap("attn_logit_softcapping"),
                QueryKeyNorm.NONE,
                gemma.keys().layers(layer -> layer % 2 == 0, rotation, rotation));
    }
}
