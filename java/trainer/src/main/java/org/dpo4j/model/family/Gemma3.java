package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

import org.dpo4j.io.JsonFile;
import org.dpo4j.model.family.Architecture.QueryKeyNorm;

/**
 * The language model of Gemma 3 (Gemma Team 2025), as in its models of 270M and 1B parameters: norms of queries and
 * keys, and windows in five of six layers. Layers with a window have other rotary positions.
 */
final class Gemma3 implements LlamaLike {
    private static final String LOCAL_THETA = "rope_local_base_freq";

    private static final ConfigJson DEFAULTS = new ConfigJson(JsonFile.parse("""
            {"model_type": "gemma3_text", "architectures": ["Gemma3ForCausalLM"],
             "vocab_size": 262208, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
             "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
             "hidden_activation": "gelu_pytorch_tanh", "max_position_embeddings": 131072, "rms_norm_eps": 1e-6,
             "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0, "attention_bias": false,
             "query_pre_attn_scalar": 256, "sliding_window": 4096, "sliding_window_pattern": 6, "layer_types": null,
             "final_logit_softcapping": null, "tie_word_embeddings": true, "initializer_range": 0.02,
             "bos_token_id": 2, "eos_token_id": 1}
            """));

    @Override
    public String modelType() {
        return "gemma3_text";
    }

    @Override
    public ModelConfig read(ConfigJson json) {
        json.refuse("attn_logit_softcapping", "transformers does not read it for a Gemma 3; set it to null");
        GemmaKeys gemma = GemmaKeys.read(json, DEFAULTS);
        int pattern = gemma.keys().all().integer("sliding_window_pattern");
        check(pattern > 0, "sliding_window_pattern is " + pattern + "; it must be at least 1");
        LayerKinds kinds = new LayerKinds(json, "a Gemma 3");
        return gemma.config(
                0,
                QueryKeyNorm.PER_HEAD,
                gemma.keys()
                        .layers(
                                layer -> (layer + 1) % pattern != 0,
                                gemma.keys().rotation(kinds.sliding(LOCAL_THETA), DEFAULTS.number(LOCAL_THETA)),
                                gemma.keys().rotation(kinds.full(), DEFAULTS.number("rope_theta"))));
    }
}
