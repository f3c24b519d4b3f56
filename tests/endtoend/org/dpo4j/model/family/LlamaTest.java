package org.dpo4j.model.family;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.model.family.Architecture.AttentionTraits;
import org.dpo4j.model.family.Architecture.MlpTraits;
import org.dpo4j.model.family.Architecture.NormTraits;
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
                                new NormTraits(1e-6),
                                new AttentionTraits(32, 32, 128, 10000),
                                new MlpTraits(11008),
                                false),
                        0.02,
                        1,
                        List.of(2)));
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
                                new NormTraits(1e-5),
                                new AttentionTraits(4, 2, 24, 500.5),
                                new MlpTraits(50),
                                true),
                        0.1,
                        null,
                        List.of(3, 5)));
    }

    @Test
    void ropeParametersOfTransformers5() throws IOException {
        assertThat(parse("{\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":500000.0}}")
                        .architecture()
                        .attention()
                        .ropeTheta())
                .isEqualTo(500000);
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
        assertThat(parse(json).architecture().attention().ropeTheta()).isEqualTo(theta);
    }

    /**
     * Values that would change numbers, and values that are malformed. Two values of rope_theta are refused if they differ,
     * because transformers 5 reads the one inside rope_parameters and transformers 4 the one outside.
     */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
        {"model_type":"mistral"}                                    | model_type
        {"architectures":["LlamaForSequenceClassification"]}       | LlamaForSequenceClassification
        {"hidden_act":"gelu"}                                       | hidden_act
        {"attention_bias":true}                                     | attention_bias
        {"mlp_bias":true}                                           | mlp_bias
        {"attention_dropout":0.1}                                   | attention_dropout
        {"pretraining_tp":2}                                        | pretraining_tp
        {"rope_scaling":{"rope_type":"llama3","factor":8.0}}        | rope_scaling
        {"rope_scaling":{"type":"linear","factor":2.0}}             | rope_scaling
        {"rope_parameters":{"rope_type":"yarn"}}                    | rope_parameters
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
        {"partial_rotary_factor":0.5}                               | partial_rotary_factor
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
        assertThat(parse(new Llama().write(config).toString())).isEqualTo(config);
    }

    private ModelConfig parse(String json) throws IOException {
        return Families.read(Files.writeString(directory.resolve("config.json"), json));
    }
}
