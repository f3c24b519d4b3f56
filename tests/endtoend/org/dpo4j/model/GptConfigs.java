package org.dpo4j.model;

import java.util.List;
import org.dpo4j.io.JsonFile;
import org.dpo4j.model.family.Families;
import org.dpo4j.model.family.ModelConfig;

/**
 * Models with blocks that a Llama has not: a GPT-2 with learned positions, and a GPT-NeoX with both branches on the same
 * input. Both have LayerNorm and an MLP without gate. Vocabulary 37, 64 positions.
 */
public final class GptConfigs {
    public static final ModelConfig GPT2 = read("""
            {"model_type": "gpt2", "vocab_size": 37, "n_embd": 18, "n_head": 3, "n_layer": 2, "n_positions": 64,
             "initializer_range": 0.3, "scale_attn_by_inverse_layer_idx": true, "bos_token_id": 1, "eos_token_id": 2}
            """);

    public static final ModelConfig NEOX = read("""
            {"model_type": "gpt_neox", "vocab_size": 37, "hidden_size": 24, "intermediate_size": 14,
             "num_attention_heads": 3, "num_hidden_layers": 2, "max_position_embeddings": 64, "rotary_pct": 0.5,
             "initializer_range": 0.3, "bos_token_id": 1, "eos_token_id": 2}
            """);

    public static final List<ModelConfig> ALL = List.of(GPT2, NEOX);

    private GptConfigs() {}

    private static ModelConfig read(String json) {
        return Families.read(JsonFile.parse(json), "config.json");
    }
}
