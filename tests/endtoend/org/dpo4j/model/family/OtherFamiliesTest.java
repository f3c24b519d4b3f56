package org.dpo4j.model.family;

import static org.dpo4j.model.RefusalAssertions.assertRefused;

import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The error for a family that is not supported says what it has that no supported family has. */
class OtherFamiliesTest {
    /** Keys of published files. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
        mixtral     | "num_local_experts":8                        | a mixture of experts (num_local_experts is 8)
        mixtral     |                                              | a mixture of experts
        qwen2_moe   | "num_experts":60                             | a mixture of experts (num_experts is 60)
        qwen3_moe   |                                              | a mixture of experts
        gpt_oss     | "num_local_experts":32                       | a mixture of experts (num_local_experts is 32)
        dbrx        | "ffn_config":{"moe_num_experts":16}          | a mixture of experts
        deepseek_v3 | "n_routed_experts":256,"kv_lora_rank":512    | a mixture of experts (n_routed_experts is 256); attention through a latent of low rank (kv_lora_rank is 512)
        llama4      | "vision_config":{},"text_config":{"num_local_experts":16,"attention_chunk_size":8192} | a vision tower (vision_config); a mixture of experts (text_config.num_local_experts is 16); attention within chunks (text_config.attention_chunk_size is 8192)
        qwen3_next  | "num_experts":512,"linear_num_value_heads":32 | a mixture of experts (num_experts is 512); layers of linear attention (linear_num_value_heads is 32)
        new_family  | "layer_types":["full_attention","linear_attention"] | layers of linear attention (layer_types has "linear_attention")
        gemma3      | "vision_config":{},"text_config":{"model_type":"gemma3_text"} | a vision tower (vision_config); its text_config is a "gemma3_text", which is supported if it is saved alone
        gemma3n     | "audio_config":{},"text_config":{"hidden_size_per_layer_input":256,"num_kv_shared_layers":15} | an audio tower (audio_config); an embedding for each layer (text_config.hidden_size_per_layer_input is 256); layers that share keys and values
        qwen2_vl    | "vision_config":{"depth":32}                 | a vision tower (vision_config)
        qwen        | "visual":{"layers":48}                       | a vision tower (visual)
        mllama      | "vision_config":{}                           | a vision tower
        emu3        | "text_config":{}                             | a language model within another (text_config)
        mamba       | "state_size":16                              | state-space layers (state_size is 16)
        mamba2      | "ssm_cfg":{}                                 | state-space layers (ssm_cfg)
        jamba       | "num_experts":16,"mamba_d_state":16          | a mixture of experts (num_experts is 16); state-space layers (mamba_d_state is 16)
        granitemoehybrid | "num_local_experts":0,"mamba_d_state":128,"layer_types":["linear_attention"] | it has state-space layers (mamba_d_state is 128); use
        recurrent_gemma | "lru_width":2560                         | recurrent layers
        lfm2        | "layer_types":["conv"]                       | layers of convolution
        falcon      | "alibi":true                                 | ALiBi positions (alibi is true); attention and MLP in parallel after one norm
        falcon      | "alibi":false                                | it has attention and MLP in parallel
        bloom       |                                              | ALiBi positions and a norm of the embedding
        mpt         | "attn_config":{"alibi":true}                 | ALiBi positions (attn_config.alibi is true)
        opt         | "activation_function":"relu"                 | the activation relu (activation_function); learned positions that begin at 2
        phi         | "hidden_act":"gelu_new"                      | it has attention and MLP in parallel after one norm, and a bias of the LM head (Phi-3
        cohere      |                                              | attention and MLP in parallel after one norm, and rotary positions of neighbouring pairs
        glm         |                                              | rotary positions of neighbouring pairs
        gemma       |                                              | norms that add 1 to the weight, before branches alone
        ministral   |                                              | windows in some layers alone
        ministral3  |                                              | queries scaled by position
        t5          | "is_encoder_decoder":true                    | an encoder (is_encoder_decoder is true)
        bert        | "type_vocab_size":2                          | attention to later tokens, as in BERT (type_vocab_size is 2)
        new_bert    | "architectures":["NewForMaskedLM"]           | attention to later tokens, as in BERT (architectures has NewForMaskedLM)
        nemotron    | "hidden_act":"relu2"                         | the activation relu2 (hidden_act); LayerNorm that adds 1 to the weight
        """)
    void theErrorSaysWhatDiffers(String family, @Nullable String keys, String words) {
        assertRefused(
                () -> FamilyConfigTest.read(family, keys == null ? "" : keys),
                "model_type is \"" + family + "\", a family that is not supported: it has ",
                words,
                "; use a model of one of \"llama\", ");
    }

    /** Nothing in the file says what differs. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
        new_family |
        new_family | "num_experts":0,"alibi":false,"vision_config":null,"layer_types":["full_attention"]
        """)
    void anUnknownFamilyIsNamed(String family, @Nullable String keys) {
        assertRefused(
                () -> FamilyConfigTest.read(family, keys == null ? "" : keys),
                "model_type is \"" + family + "\", a family that is not supported; use a model of one of \"llama\", ");
    }
}
