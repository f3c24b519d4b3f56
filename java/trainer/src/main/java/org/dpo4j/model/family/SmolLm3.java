package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.function.IntPredicate;
import org.dpo4j.io.JsonFile;
import org.dpo4j.model.family.Architecture.LayerAttention;
import org.jspecify.annotations.Nullable;

/** SmolLM3 (Bakouch et al. 2025): every fourth layer knows no positions. */
final class SmolLm3 implements LlamaLike {
    private static final ConfigJson DEFAULTS = new ConfigJson(JsonFile.parse("""
            {"model_type": "smollm3", "architectures": ["SmolLM3ForCausalLM"],
             "vocab_size": 128256, "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36,
             "num_attention_heads": 16, "num_key_value_heads": 4, "head_dim": null, "hidden_act": "silu",
             "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 2000000.0, "attention_bias": false,
             "mlp_bias": false, "use_sliding_window": false, "sliding_window": null, "no_rope_layers": null,
             "no_rope_layer_interval": 4, "tie_word_embeddings": true, "initializer_range": 0.02,
             "bos_token_id": 128000, "eos_token_id": 128001}
            """));

    @Override
    public String modelType() {
        return "smollm3";
    }

    @Override
    public ModelConfig read(ConfigJson json) {
        DecoderKeys keys = new DecoderKeys(json, DEFAULTS);
        return keys.config(keys.attention(keys.attentionBias(), layers(keys)));
    }

    /** Layers without rotation have the window, if {@code layer_types} does not name others. */
    private static List<LayerAttention> layers(DecoderKeys keys) {
        @Nullable Integer window = Qwen2.window(keys);
        @Nullable List<Boolean> types = keys.layersWithWindow();
        IntPredicate isRotated = rotatedLayers(keys);
        Rotation rotation = keys.rotation();
        return keys.layers(layer -> {
            boolean hasWindow = types == null ? !isRotated.test(layer) : types.get(layer);
            return new LayerAttention(isRotated.test(layer) ? rotation : null, hasWindow ? window : null);
        });
    }

    /** {@code no_rope_layers} has a 1 for each layer WITH rotation and a 0 for each without. */
    private static IntPredicate rotatedLayers(DecoderKeys keys) {
        JsonNode listed = keys.all().json().get("no_rope_layers");
        if (listed.isNull()) {
            int interval = keys.all().integer("no_rope_layer_interval");
            check(interval > 0, "no_rope_layer_interval is " + interval + "; it must be at least 1");
            return layer -> (layer + 1) % interval != 0;
        }
        check(
                listed.isArray() && listed.size() >= keys.layerCount(),
                "no_rope_layers has " + listed.size() + " entries; one for each of the " + keys.layerCount()
                        + " layers is expected");
        for (JsonNode entry : listed) {
            check(
                    entry.isInt() && (entry.intValue() == 0 || entry.intValue() == 1),
                    "no_rope_layers has " + entry + "; 1 for a layer with rotation and 0 for one without are expected");
        }
        return layer -> listed.get(layer).intValue() == 1;
    }
}
