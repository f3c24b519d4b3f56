package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

import java.util.List;
import org.dpo4j.io.JsonFile;
import org.dpo4j.model.family.Architecture.LayerAttention;
import org.dpo4j.model.family.Architecture.NormKind;
import org.dpo4j.model.family.Architecture.NormPlacement;
import org.dpo4j.model.family.Architecture.NormTraits;
import org.dpo4j.model.family.Architecture.QueryKeyNorm;
import org.dpo4j.model.family.Architecture.Scales;

/** OLMo 3 (Team OLMo 2025): OLMo 2 with windows in three of four layers, whose positions are not scaled. */
final class Olmo3 implements LlamaLike {
    private static final ConfigJson DEFAULTS = new ConfigJson(JsonFile.parse("""
            {"model_type": "olmo3", "architectures": ["Olmo3ForCausalLM"],
             "vocab_size": 50304, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
             "num_attention_heads": 32, "num_key_value_heads": null, "head_dim": null, "hidden_act": "silu",
             "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "attention_bias": false,
             "sliding_window": 4096, "layer_types": null, "tie_word_embeddings": false, "initializer_range": 0.02,
             "bos_token_id": null, "eos_token_id": 50279}
            """));

    @Override
    public String modelType() {
        return "olmo3";
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
                        layers(keys, new LayerKinds(json, "an OLMo 3"))),
                new NormTraits(NormKind.RMS_NORM, keys.epsilon(), NormPlacement.AFTER_BRANCH),
                Scales.NONE);
    }

    /** transformers 4 reads {@code rope_theta} for all layers, transformers 5 for those without a window. */
    private static List<LayerAttention> layers(DecoderKeys keys, LayerKinds kinds) {
        double theta = DEFAULTS.number("rope_theta");
        RopeKeys sliding = kinds.sliding("rope_theta");
        check(
                sliding.parameters().json().hasNonNull("rope_theta") || sliding.theta(theta) == theta,
                "rope_theta is " + sliding.theta(theta)
                        + ", which transformers 5 does not read for layers with a window;"
                        + " set it in rope_parameters, in full_attention and in sliding_attention");
        return keys.layers(
                layer -> (layer + 1) % 4 != 0, keys.rotation(sliding, theta), keys.rotation(kinds.full(), theta));
    }
}
