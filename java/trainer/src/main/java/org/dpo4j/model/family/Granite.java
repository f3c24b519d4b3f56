package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

import org.dpo4j.io.JsonFile;
import org.dpo4j.model.family.Architecture.NormTraits;
import org.dpo4j.model.family.Architecture.QueryKeyNorm;
import org.dpo4j.model.family.Architecture.Scales;

/**
 * Granite 3, dense: constant factors of embedding, scores, branches and logits.
 *
 * <p>Hidden states are those of transformers divided by {@code residual_multiplier} r: with {@code y = x / r}, {@code x
 * += r branch(norm(x))} is {@code y += branch(norm(x))}, and an RMSNorm gives the same for x with epsilon and for y with
 * {@code epsilon / r^2}. So branches need no factor, and the embedding has {@code embedding_multiplier / r}.
 */
final class Granite implements LlamaLike {
    private static final ConfigJson DEFAULTS = new ConfigJson(JsonFile.parse("""
            {"model_type": "granite", "architectures": ["GraniteForCausalLM"],
             "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
             "num_attention_heads": 32, "num_key_value_heads": null, "head_dim": null, "hidden_act": "silu",
             "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "attention_bias": false,
             "mlp_bias": false, "embedding_multiplier": 1.0, "attention_multiplier": 1.0, "residual_multiplier": 1.0,
             "logits_scaling": 1.0, "tie_word_embeddings": false, "initializer_range": 0.02, "bos_token_id": 1,
             "eos_token_id": 2}
            """));

    @Override
    public String modelType() {
        return "granite";
    }

    @Override
    public ModelConfig read(ConfigJson json) {
        DecoderKeys keys = new DecoderKeys(json, DEFAULTS);
        double residual = multiplier(keys, "residual_multiplier");
        return keys.config(
                keys.attention(
                        multiplier(keys, "attention_multiplier"),
                        keys.attentionBias(),
                        QueryKeyNorm.NONE,
                        keys.sameLayers(keys.rotation(), null)),
                new NormTraits(keys.epsilon() / (residual * residual)),
                new Scales(
                        multiplier(keys, "embedding_multiplier") / residual, 1 / multiplier(keys, "logits_scaling")));
    }

    private static double multiplier(DecoderKeys keys, String key) {
        double value = keys.all().number(key);
        check(value > 1e-6 && value < 1e6, key + " is " + value + "; values between 1e-6 and 1e6 are supported");
        return value;
    }
}
