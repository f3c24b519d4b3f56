package org.dpo4j.model.family;

import org.dpo4j.io.JsonFile;
import org.dpo4j.model.family.Architecture.NormKind;
import org.dpo4j.model.family.Architecture.NormPlacement;
import org.dpo4j.model.family.Architecture.NormTraits;
import org.dpo4j.model.family.Architecture.QueryKeyNorm;
import org.dpo4j.model.family.Architecture.Scales;

/** OLMo 2 (Team OLMo 2024): norms after each branch, and of all queries and of all keys. */
final class Olmo2 implements LlamaLike {
    private static final ConfigJson DEFAULTS = new ConfigJson(JsonFile.parse("""
            {"model_type": "olmo2", "architectures": ["Olmo2ForCausalLM"],
             "vocab_size": 50304, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
             "num_attention_heads": 32, "num_key_value_heads": null, "head_dim": null, "hidden_act": "silu",
             "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "attention_bias": false,
             "tie_word_embeddings": false, "initializer_range": 0.02, "bos_token_id": null, "eos_token_id": 50279}
            """));

    @Override
    public String modelType() {
        return "olmo2";
    }

    @Override
    public ModelConfig read(ConfigJson json) {
        DecoderKeys keys = new DecoderKeys(json, DEFAULTS);
        keys.refuseBias("mlp_bias");
        return keys.config(
                keys.attention(
                        1 / Math.sqrt(keys.headWidth()),
                        keys.attentionBias(),
                        QueryKeyNorm.WHOLE_WIDTH,
                        keys.sameLayers(keys.rotation(), null)),
                new NormTraits(NormKind.RMS_NORM, keys.epsilon(), NormPlacement.AFTER_BRANCH),
                Scales.NONE);
    }
}
