package org.dpo4j.model.family;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.dpo4j.io.JsonFile;
import org.dpo4j.model.family.Architecture.AttentionTraits;
import org.dpo4j.model.family.Architecture.MlpTraits;
import org.dpo4j.model.family.Architecture.NormTraits;
import org.dpo4j.model.family.Architecture.Scales;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LlamaTest {
    @TempDir
    Path directory;

    /** The values of transformers' LlamaConfig() without arguments. */
    @Test
    void absentKeysTakeTransformersDefaults() throws IOException {
        assertThat(parse("{}"))
                .isEqualTo(new ModelConfig(
                        "llama",
                        new Architecture(
                                32000,
                                4096,
                                32,
                                2048,
                                false,
                                new NormTraits(1e-6),
                                new AttentionTraits(32, 32, 128, new Rotation(10000, 128), 32),
                                new MlpTraits(11008),
                                Scales.NONE,
                                false),
                        0.02,
                        1,
                        List.of(2),
                        JsonFile.parse("{\"model_type\":\"llama\"}")));
    }

    @Test
    void everyKeyIsRead() throws IOException {
        String json = """
            {"architectures":["LlamaForCausalLM"],"model_type":"llama","vocab_size":100,"hidden_size":64,"intermediate_size":50,
             "num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":24,"max_position_embeddings":77,
             "rms_norm_eps":1e-05,"rope_theta":500.5,"initializer_range":0.1,"tie_word_embeddings":true,"bos_token_id":null,
             "eos_token_id":[3,5],"hidden_act":"silu","rope_scaling":null,"pretraining_tp":1,"use_cache":true}\
            """;
        assertThat(parse(json))
                .isEqualTo(new ModelConfig(
                        "llama",
                        new Architecture(
                                100,
                                64,
                                3,
                                77,
                                false,
                                new NormTraits(1e-5),
                                new AttentionTraits(4, 2, 24, new Rotation(500.5, 24), 3),
                                new MlpTraits(50),
                                Scales.NONE,
                                true),
                        0.1,
                        null,
                        List.of(3, 5),
                        JsonFile.parse(json)));
    }

    @Test
    void ropeParametersOfTransformers5() throws IOException {
        assertThat(rotation("{\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":500000.0}}"))
                .isEqualTo(new Rotation(500000, 128));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
        {"rope_theta":500000,"rope_parameters":{"rope_theta":500000.0}}                             | 500000
        {"rope_theta":null,"rope_parameters":{"rope_theta":5e5}}                                    | 500000
        {"rope_theta":5e5,"rope_parameters":{"rope_theta":null}}                                    | 500000
        {"rope_theta":5e5,"rope_parameters":null}                                                   | 500000
        {"rope_theta":5e5,"rope_parameters":{}}                                                     | 500000
        {"rope_scaling":{"rope_type":"default","rope_theta":5e5},"rope_parameters":{"rope_theta":5e5}} | 500000
        {"rope_parameters":{"rope_type":"default"}}                                                 | 10000
        """)
    void thetasThatAgreeAreRead(String json, double theta) throws IOException {
        assertThat(rotation(json)).isEqualTo(new Rotation(theta, 128));
    }

    /** The rules of transformers' modeling_rope_utils; the first file is that of Llama 3.1 without its theta. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
        "rope_scaling":{"factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192,"rope_type":"llama3"} \
            | Llama3[factor=8.0, lowFrequencyFactor=1.0, highFrequencyFactor=4.0, originalPositions=8192]
        "rope_parameters":{"factor":2,"low_freq_factor":1,"high_freq_factor":4,"rope_type":"llama3"} \
            | Llama3[factor=2.0, lowFrequencyFactor=1.0, highFrequencyFactor=4.0, originalPositions=2048]
        "rope_scaling":{"type":"linear","factor":2.5}                               | Linear[factor=2.5]
        "rope_scaling":{"type":"linear","rope_type":"linear","factor":2.5}          | Linear[factor=2.5]
        "rope_scaling":{"type":"linear","factor":2},"rope_parameters":{"rope_type":"linear","factor":2.0,"rope_theta":null} | Linear[factor=2.0]
        "rope_scaling":{"type":"dynamic","factor":2.0}                              | Dynamic[factor=2.0]
        "rope_scaling":{},"rope_parameters":{"rope_type":"dynamic","factor":4.0}    | Dynamic[factor=4.0]
        "rope_scaling":{"type":"yarn","factor":4.0,"original_max_position_embeddings":1024,"attention_factor":0.5,"beta_fast":0,"beta_slow":null} \
            | Yarn[factor=4.0, betaFast=32.0, betaSlow=1.0, isTruncated=true, originalPositions=1024, attentionFactor=0.5]
        "original_max_position_embeddings":512,"rope_scaling":{"type":"yarn","factor":null,"truncate":false,"attention_factor":1} \
            | Yarn[factor=4.0, betaFast=32.0, betaSlow=1.0, isTruncated=false, originalPositions=512, attentionFactor=1.0]
        "rope_scaling":{"type":"yarn","factor":1,"beta_fast":8,"beta_slow":2} \
            | Yarn[factor=1.0, betaFast=8.0, betaSlow=2.0, isTruncated=true, originalPositions=2048, attentionFactor=1.0]
        """)
    void scalingsAreRead(String keys, String scaling) throws IOException {
        assertThat(rotation("{" + keys + "}").scaling()).hasToString(scaling);
    }

    private Rotation rotation(String json) throws IOException {
        return Objects.requireNonNull(
                parse(json).architecture().attention().layers().get(0).rotation());
    }

    /** transformers reads neither: dropout is for training, and slices of matrices change only the rounding. */
    @Test
    void dropoutAndSlicesAreNotRefused() throws IOException {
        ModelConfig config = parse("{\"attention_dropout\":0.1,\"embd_pdrop\":0,\"pretraining_tp\":2}");
        assertThat(config.ignoredDropouts()).containsExactly("attention_dropout 0.1");
        assertThat(parse("{\"attention_dropout\":0.0}").ignoredDropouts()).isEmpty();
    }

    /**
     * Values that would change numbers, and values that are malformed. Two values of rope_theta are refused if they differ,
     * because transformers 5 reads the one inside rope_parameters and transformers 4 the one outside.
     */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
        {"model_type":"cohere"}                                     | model_type is "cohere"
        {"model_type":"mixtral"}                                    | mixture of experts
        {"model_type":"qwen3_moe"}                                  | mixture of experts
        {"num_local_experts":8}                                     | mixture of experts
        {"num_experts_per_tok":2}                                   | mixture of experts
        {"model_type":"deepseek_v3","n_routed_experts":256}         | mixture of experts
        {"vision_config":{}}                                        | vision tower
        {"model_type":"phi3_v","img_processor":{"name":"clip"}}     | vision tower
        {"model_type":"llava_llama","mm_vision_tower":"openai/clip"} | vision tower
        {"model_type":"gemma3","text_config":{}}                    | a language model within another (text_config)
        {"per_layer_config":{}}                                     | heterogeneous
        {"clip_qkv":8.0}                                            | clip_qkv
        {"is_encoder_decoder":true}                                 | is_encoder_decoder
        {"add_cross_attention":true}                                | add_cross_attention
        {"use_bidirectional_attention":true}                        | use_bidirectional_attention
        {"architectures":["LlamaForSequenceClassification"]}       | LlamaForSequenceClassification
        {"hidden_act":"relu2"}                                      | hidden_act is "relu2"
        {"rope_scaling":{"rope_type":"llama3","factor":8.0}}        | rope_scaling.low_freq_factor is missing
        {"rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":4,"high_freq_factor":4}} | low_freq_factor
        {"rope_scaling":{"type":"linear"}}                          | rope_scaling.factor is missing
        {"rope_scaling":{"type":"linear","factor":"2"}}             | rope_scaling.factor is "2"
        {"rope_scaling":{"type":"linear","factor":0}}               | factor of the rotary positions is 0.0
        {"rope_scaling":{"type":"linear","rope_type":"yarn","factor":2}} | rope_scaling.type is "linear"
        {"rope_scaling":{"type":"mrope"}}                           | "mrope" of multimodal models
        {"rope_parameters":{"rope_type":"su"}}                      | rope_parameters has the type "su"
        {"rope_scaling":{"type":"linear","factor":2},"rope_parameters":{"rope_type":"linear","factor":3}} | rope_scaling and rope_parameters
        {"rope_scaling":{"type":"linear","factor":2},"rope_parameters":{"rope_type":"dynamic","factor":2}} | rope_scaling and rope_parameters
        {"original_max_position_embeddings":77,"rope_scaling":{"type":"yarn","factor":2,"original_max_position_embeddings":55}} | original_max_position_embeddings is 77
        {"rope_scaling":{"type":"longrope","factor":2,"long_factor":[1],"short_factor":[1]}} | short_factor has 1 numbers; 64 are expected
        {"rope_parameters":{"full_attention":{"rope_theta":10000.0}}} | rope_parameters
        {"rope_scaling":{"type":"default"},"rope_parameters":{"rope_theta":500000.0}} | rope_scaling
        {"rope_theta":10000,"rope_parameters":{"rope_theta":500000.0}} | rope_theta is 10000.0 but rope_parameters.rope_theta is 500000.0
        {"rope_theta":5e5,"rope_parameters":{"rope_type":"default","rope_theta":500001}} | rope_theta is 500000.0 but rope_parameters.rope_theta is 500001.0
        {"rope_theta":10000.0,"rope_scaling":{"rope_type":"default","rope_theta":20000.0}} | rope_theta is 10000.0 but rope_scaling.rope_theta is 20000.0
        {"rope_parameters":{"rope_theta":1e6},"rope_scaling":{"type":"default","rope_theta":2e6}} | rope_parameters.rope_theta is 1000000.0 but rope_scaling.rope_theta is 2000000.0
        {"rope_parameters":"default"}                               | rope_parameters
        {"rope_theta":"10000"}                                      | rope_theta
        {"rope_theta":1e39}                                         | rope_theta
        {"layer_types":["full_attention","sliding_attention"]}      | layer_types
        {"layer_types":["full_attention"]}                          | layer_types has 1 entries
        {"layer_types":["chunked_attention"]}                       | layer_types has "chunked_attention"
        {"partial_rotary_factor":0.5}                               | partial_rotary_factor
        {"rope_parameters":{"partial_rotary_factor":0.5}}           | partial_rotary_factor
        {"hidden_size":4104,"head_dim":128}                         | num_attention_heads
        {"num_attention_heads":33,"num_key_value_heads":11}         | num_attention_heads
        {"quantization_config":{"bits":4}}                          | quantization_config
        {"sliding_window":4096}                                     | sliding_window
        {"num_key_value_heads":5}                                   | num_key_value_heads
        {"num_attention_heads":0}                                   | num_attention_heads
        {"num_attention_heads":4096}                                | head_dim is 1; even widths up to 256 are supported
        {"head_dim":35}                                             | head_dim is 35; even widths up to 256 are supported
        {"head_dim":258}                                            | head_dim is 258; even widths up to 256 are supported
        {"vocab_size":-1}                                           | vocab_size
        {"vocab_size":1e99}                                         | vocab_size
        {"vocab_size":99999999999}                                  | vocab_size
        {"vocab_size":"many"}                                       | vocab_size
        {"num_hidden_layers":2000000000}                            | num_hidden_layers
        {"rms_norm_eps":0}                                          | rms_norm_eps
        {"rope_theta":0}                                            | rope_theta
        {"tie_word_embeddings":"yes"}                               | tie_word_embeddings
        {"eos_token_id":"</s>"}                                     | eos_token_id
        {"vocab_size":1,"vocab_size":2}                             | twice
        [1]                                                         | object
        {"vocab_size":1                                             | JSON
        """)
    void unsupportedAndMalformedValuesAreRefusedByName(String json, String word) {
        assertRefused(() -> parse(json), "config.json", word);
    }

    @Test
    void aWrittenConfigIsReadBack() throws IOException {
        ModelConfig config = Llama.config(50, 32, 24, 2, 4, 2, 64, true).withTokens(7, List.of(8, 9));
        assertThat(parse(config.json().toString())).isEqualTo(config);
    }

    /** Reads the keys of a Llama: {@code model_type} is added unless the text has it, or is no object. */
    private ModelConfig parse(String json) throws IOException {
        String type = "{\"model_type\":\"llama\"" + (json.equals("{}") ? "" : ",");
        String file = json.startsWith("{") && !json.contains("model_type") ? type + json.substring(1) : json;
        return Families.read(Files.writeString(directory.resolve("config.json"), file));
    }
}
