package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

import java.util.List;
import org.dpo4j.io.JsonFile;
import org.dpo4j.model.family.Architecture.AttentionBias;
import org.dpo4j.model.family.Architecture.LayerAttention;
import org.jspecify.annotations.Nullable;

/** Qwen2 and Qwen2.5 (Yang et al. 2024): queries, keys and values have a bias. */
final class Qwen2 implements LlamaLike {
    private static final ConfigJson DEFAULTS = new ConfigJson(JsonFile.parse("""
            {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"],
             "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
             "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": null, "hidden_act": "silu",
             "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
             "use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 28,
             "tie_word_embeddings": false, "initializer_range": 0.02, "bos_token_id": null, "eos_token_id": null}
            """));

    @Override
    public String modelType() {
        return "qwen2";
    }

    @Override
    public ModelConfig read(ConfigJson json) {
        DecoderKeys keys = new DecoderKeys(json, DEFAULTS);
        keys.refuseBias("mlp_bias");
        return keys.config(keys.attention(new AttentionBias(true, false), layers(keys)));
    }

    /**
     * {@code use_sliding_window} turns windows on, in the layers that {@code layer_types} names, or from {@code
     * max_window_layers} on.
     */
    static List<LayerAttention> layers(DecoderKeys keys) {
        @Nullable Integer window = window(keys);
        @Nullable List<Boolean> types = keys.layersWithWindow();
        int first = keys.all().integer("max_window_layers");
        Rotation rotation = keys.rotation();
        return keys.layers(layer -> {
            boolean hasWindow = types == null ? layer >= first : types.get(layer);
            return new LayerAttention(rotation, hasWindow ? window : null);
        });
    }

    /** Throws if {@code layer_types} names layers with a window and there is none. */
    static @Nullable Integer window(DecoderKeys keys) {
        @Nullable
        Integer window = keys.all().flag("use_sliding_window") ? keys.all().integerOrNull("sliding_window") : null;
        @Nullable List<Boolean> types = keys.layersWithWindow();
        check(
                window != null || types == null || !types.contains(true),
                "layer_types has \"sliding_attention\", but use_sliding_window is false or sliding_window null; set"
                        + " both, or remove layer_types");
        return window;
    }
}
