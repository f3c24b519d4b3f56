package org.dpo4j.model.family;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.decoder.Activation;
import org.dpo4j.model.TestFiles;
import org.dpo4j.model.family.Architecture.AttentionBias;
import org.dpo4j.model.family.Architecture.NormKind;
import org.dpo4j.model.family.Architecture.NormPlacement;
import org.dpo4j.model.family.Architecture.QueryKeyNorm;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Keys of config.json that are those of one family. LlamaTest has those that all share. */
class FamilyConfigTest {
    /** A config for each family (tests/golden/family_defaults.py). */
    private static final JsonNode DEFAULTS = TestFiles.json(TestFiles.golden("family_defaults.json"));

    /** Dropouts of heads other than the LM head. */
    private static final Set<String> OTHER_DROPOUTS = Set.of("classifier_dropout", "summary_first_dropout");

    /** A file without keys is the config of transformers' class without arguments. */
    @Test
    void absentKeysTakeTransformersDefaults() {
        List<String> families = new ArrayList<>();
        for (JsonNode defaults : DEFAULTS) {
            String family = defaults.get("model_type").asText();
            ModelConfig given = Families.describe((ObjectNode) defaults);
            ModelConfig absent = read(family, "");
            assertThat(absent.modelType()).isEqualTo(family);
            assertThat(absent.architecture()).as(family).isEqualTo(given.architecture());
            assertThat(absent.initializerRange()).as(family).isEqualTo(given.initializerRange());
            assertThat(absent.bosTokenId()).as(family).isEqualTo(given.bosTokenId());
            assertThat(absent.eosTokenIds()).as(family).isEqualTo(given.eosTokenIds());
            families.add(family);
        }
        assertThat(families).containsExactlyInAnyOrderElementsOf(supported());
    }

    /** TrlTrainingTest trains a model of every family. */
    @Test
    void everyFamilyIsTrainedByTrl() {
        Set<String> families = new TreeSet<>();
        for (JsonNode one :
                TestFiles.json(TestFiles.golden("trl_training.json")).get("cases")) {
            Path model = TestFiles.golden(one.get("model").asText());
            if (Files.exists(model.resolve("config.json"))) { // not of an adapter
                families.add(type(model));
            }
        }
        assertThat(families).containsExactlyInAnyOrderElementsOf(supported());
    }

    /** AdapterTest has an adapter of a model of every family, and FourBitModelTest its values in 4 bits. */
    @Test
    void everyFamilyHasAnAdapterAndFourBitValues() throws IOException {
        Set<String> adapters = new TreeSet<>();
        try (Stream<Path> directories = Files.list(TestFiles.golden("adapters"))) {
            directories.forEach(
                    adapter -> adapters.add(type(TestFiles.golden("families").resolve(adapter.getFileName()))));
        }
        assertThat(adapters).containsExactlyInAnyOrderElementsOf(supported());
        Set<String> fourBit = new TreeSet<>();
        TestFiles.json(TestFiles.golden("four_bit_models.json"))
                .get("quantised")
                .forEach(one ->
                        fourBit.add(type(TestFiles.golden(one.get("model").asText()))));
        assertThat(fourBit).containsExactlyInAnyOrderElementsOf(supported());
    }

    private static String type(Path model) {
        return JsonFile.read(model.resolve("config.json")).get("model_type").asText();
    }

    private static List<String> supported() {
        return Families.ALL.stream().map(Family::modelType).toList();
    }

    /** The names of all dropouts between the embedding and the logits in transformers' classes. */
    @Test
    void dropoutsAreNamedInEveryFamily() {
        for (JsonNode defaults : DEFAULTS) {
            ObjectNode keys = defaults.deepCopy();
            List<String> expected = defaults.properties().stream()
                    .map(Map.Entry::getKey)
                    .filter(key -> key.endsWith("dropout") || key.endsWith("_pdrop"))
                    .filter(key -> !OTHER_DROPOUTS.contains(key))
                    .toList();
            expected.forEach(key -> keys.put(key, 0.25));
            assertThat(Families.describe(keys).ignoredDropouts())
                    .as(defaults.get("model_type").asText())
                    .containsExactlyInAnyOrderElementsOf(
                            expected.stream().map(key -> key + " 0.25").toList());
        }
    }

    @Test
    void biases() {
        assertThat(bias("qwen2", "\"attention_bias\":false")).isEqualTo(new AttentionBias(true, false));
        for (String family : List.of("llama", "qwen3", "smollm3", "granite", "olmo2", "olmo3")) {
            assertThat(bias(family, "\"attention_bias\":true")).as(family).isEqualTo(new AttentionBias(true, true));
            assertThat(bias(family, "")).as(family).isEqualTo(AttentionBias.NONE);
        }
        for (String family : List.of("llama", "smollm3", "granite")) {
            assertThat(read(family, "\"mlp_bias\":true").architecture().mlp().hasBias())
                    .as(family)
                    .isTrue();
        }
        for (boolean hasBias : new boolean[] {true, false}) {
            String keys = "\"use_bias\":" + hasBias + ",\"attention_bias\":" + hasBias;
            assertThat(bias("starcoder2", keys)).isEqualTo(new AttentionBias(hasBias, hasBias));
            assertThat(read("starcoder2", keys).architecture().mlp().hasBias()).isEqualTo(hasBias);
        }
    }

    private static AttentionBias bias(String family, String keys) {
        return read(family, keys).architecture().attention().bias();
    }

    @Test
    void normsAndActivations() {
        Architecture olmo2 = read("olmo2", "").architecture();
        assertThat(olmo2.attention().norm()).isEqualTo(QueryKeyNorm.WHOLE_WIDTH);
        assertThat(olmo2.norm().placement()).isEqualTo(NormPlacement.AFTER_BRANCH);
        assertThat(read("qwen3", "").architecture().attention().norm()).isEqualTo(QueryKeyNorm.PER_HEAD);
        assertThat(activation("swish")).isEqualTo(Activation.Kind.SILU);
        assertThat(activation("gelu")).isEqualTo(Activation.Kind.GELU_ERF);
        assertThat(activation("gelu_pytorch_tanh")).isEqualTo(Activation.Kind.GELU_TANH);
    }

    private static Activation.Kind activation(String name) {
        return read("llama", "\"hidden_act\":\"" + name + "\"")
                .architecture()
                .mlp()
                .function()
                .kind();
    }

    /** epsilon / 0.5^2, 6 / 0.5, 1 / 4: exact in binary. */
    @Test
    void multipliersOfGranite() {
        Architecture granite = read(
                        "granite",
                        "\"rms_norm_eps\":0.125,\"embedding_multiplier\":6.0,\"attention_multiplier\":0.25,"
                                + "\"residual_multiplier\":0.5,\"logits_scaling\":4")
                .architecture();
        assertThat(granite.norm().epsilon()).isEqualTo(0.5);
        assertThat(granite.scales()).isEqualTo(new Architecture.Scales(12, 0.25));
        assertThat(granite.attention().scale()).isEqualTo(0.25);
    }

    /** 24 is not a square, and 1 / sqrt(16) is exact. A cap of null is none. */
    @Test
    void constantsOfGemma() {
        String keys = "\"hidden_size\":24,\"query_pre_attn_scalar\":16,\"attn_logit_softcapping\":null";
        Architecture gemma2 = read("gemma2", keys).architecture();
        assertThat(gemma2.scales()).isEqualTo(new Architecture.Scales(Math.sqrt(24), true, 1, 30));
        assertThat(gemma2.attention().scale()).isEqualTo(0.25);
        assertThat(gemma2.attention().softCap()).isZero();
        assertThat(read("gemma2", "").architecture().attention().softCap()).isEqualTo(50);
        assertThat(gemma2.norm().kind()).isEqualTo(NormKind.RMS_NORM_PLUS_ONE);
        assertThat(gemma2.norm().placement()).isEqualTo(NormPlacement.AROUND_BRANCH);
        Architecture gemma3 = read("gemma3_text", "").architecture();
        assertThat(gemma3.scales().logitsCap()).isZero();
        assertThat(gemma3.attention().norm()).isEqualTo(QueryKeyNorm.PER_HEAD);
    }

    /** 64^-0.5 = 0.125, for layer i divided by i + 1. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
        "n_inner":7                                                           | 0.125 0.125 0.125
        "scale_attn_weights":false                                            | 1.0 1.0 1.0
        "scale_attn_by_inverse_layer_idx":true                                | 0.125 0.0625 0.041666666666666664
        "scale_attn_weights":false,"scale_attn_by_inverse_layer_idx":true     | 1.0 0.5 0.3333333333333333
        """)
    void scoreScalesOfGpt2(String keys, String scales) {
        Architecture gpt2 = read("gpt2", "\"n_layer\":3," + keys).architecture();
        assertThat("%s %s %s".formatted(gpt2.scoreScale(0), gpt2.scoreScale(1), gpt2.scoreScale(2)))
                .isEqualTo(scales);
    }

    /** null of n_inner is 4 n_embd. */
    @Test
    void innerSizeOfGpt2() {
        String keys = "\"n_embd\":24,\"n_head\":3,\"n_inner\":";
        assertThat(read("gpt2", keys + "7").architecture().mlp().innerSize()).isEqualTo(7);
        assertThat(read("gpt2", keys + "null").architecture().mlp().innerSize()).isEqualTo(96);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
        mistral | "attention_bias":true                         | attention_bias
        mistral | "layer_types":["full_attention"],"num_hidden_layers":1 | layer_types
        mistral | "architectures":["MistralForTokenClassification"] | MistralForCausalLM
        mistral | "architectures":"LlamaForCausalLM"        | architectures is "LlamaForCausalLM"; a list
        qwen2   | "layer_types":"full_attention"            | layer_types is "full_attention"; a list
        qwen2   | "mlp_bias":true                               | mlp_bias
        qwen2   | "layer_types":["sliding_attention"],"num_hidden_layers":1 | use_sliding_window
        qwen3   | "head_dim":null                               | head_dim is null
        smollm3 | "no_rope_layers":[1,0]                        | no_rope_layers has 2 entries
        smollm3 | "no_rope_layers":[2],"num_hidden_layers":1    | no_rope_layers has 2
        smollm3 | "no_rope_layer_interval":0                    | no_rope_layer_interval
        smollm3 | "layer_types":["sliding_attention"],"num_hidden_layers":1 | use_sliding_window
        granite | "residual_multiplier":0                       | residual_multiplier
        granite | "logits_scaling":-1                           | logits_scaling
        granite | "embedding_multiplier":null                   | embedding_multiplier
        gemma2  | "hidden_activation":"relu"                    | hidden_activation is "relu"
        gemma2  | "final_logit_softcapping":0                   | final_logit_softcapping
        gemma2  | "attn_logit_softcapping":0.0                  | attn_logit_softcapping
        gemma2  | "query_pre_attn_scalar":0                     | query_pre_attn_scalar
        gemma2  | "sliding_window":null                         | sliding_window
        gemma2  | "hidden_size":2305                            | num_attention_heads
        gemma2  | "use_bidirectional_attention":true            | use_bidirectional_attention
        gemma2  | "rope_parameters":{"full_attention":{"rope_theta":5.0}} | rope_parameters
        gemma3_text | "attn_logit_softcapping":50.0             | attn_logit_softcapping
        gemma3_text | "sliding_window_pattern":0                | sliding_window_pattern
        gemma3_text | "rope_parameters":{"rope_theta":5.0}      | rope_parameters has rope_theta
        gemma3_text | "rope_theta":5.0,"rope_parameters":{"full_attention":{"rope_theta":6.0}} | rope_theta is 5.0
        gemma3_text | "original_max_position_embeddings":7,"rope_scaling":{"rope_type":"yarn","factor":2.0} | original_max_position_embeddings is set
        gemma3_text | "use_bidirectional_attention":true        | use_bidirectional_attention
        olmo3   | "mlp_bias":true                               | mlp_bias
        olmo3   | "sliding_window":null                         | sliding_window is null, but layer 0 has a window
        olmo3   | "rope_theta":10000.0                          | rope_theta is 10000.0, which transformers 5 does not read for layers with a window
        olmo3   | "rope_theta":10000.0,"rope_parameters":{"full_attention":{"rope_theta":10000.0}} | rope_theta is 10000.0
        olmo3   | "rope_theta":5.0,"rope_parameters":{"sliding_attention":{"rope_theta":6.0}} | rope_theta is 5.0 but
        olmo3   | "rope_parameters":{"rope_theta":5.0}          | rope_parameters has rope_theta
        olmo3   | "original_max_position_embeddings":7          | original_max_position_embeddings is set
        gemma3_text | "vision_config":{}                        | vision tower
        mistral | "num_attention_heads":6,"num_key_value_heads":4,"head_dim":8 | num_attention_heads is 6, which is not a multiple of num_key_value_heads 4
        mistral | "hidden_act":null                             | hidden_act is null, which is not supported
        mistral | "hidden_act":1                                | hidden_act is 1, which is not supported
        gpt2    | "hidden_size":24                              | hidden_size is set: this family calls it n_embd
        gpt2    | "head_dim":64                                 | head_dim
        gpt2    | "num_key_value_heads":1                       | num_key_value_heads
        gpt2    | "n_embd":770                                  | n_embd is 770, which is not a multiple of n_head 12
        gpt2    | "n_positions":0                               | n_positions is 0
        gpt2    | "n_layer":5000                                | 5000
        gpt2    | "n_inner":0                                   | n_inner is 0
        gpt2    | "n_embd":67108864,"n_head":262144             | n_inner is null
        gpt2    | "activation_function":"relu"                  | activation_function is "relu"
        gpt2    | "add_cross_attention":true                    | add_cross_attention
        gpt2    | "architectures":["GPT2ForSequenceClassification"] | GPT2LMHeadModel
        gpt_neox | "rotary_pct":0.5,"rope_parameters":{"partial_rotary_factor":0.75} | rotary_pct is 0.5
        gpt_neox | "partial_rotary_factor":0.5                  | partial_rotary_factor is 0.5, but transformers reads 0.25 from rotary_pct
        gpt_neox | "rope_theta":500.0                           | rope_theta is 500.0, but transformers reads 10000.0 from rotary_emb_base
        gpt_neox | "rotary_emb_base":20000,"rope_parameters":{"rope_theta":30000.0} | 30000.0 from rope_parameters.rope_theta
        gpt_neox | "rotary_pct":0.27                            | rotated width of a head is 25
        gpt_neox | "rotary_pct":0.0                             | rotated width of a head is 0
        gpt_neox | "rotary_pct":1.5                             | above 1
        gpt2    | "attention_bias":false                        | attention_bias is false
        gpt2    | "mlp_bias":false                              | mlp_bias is false
        gpt_neox | "mlp_bias":false                             | mlp_bias is false
        gpt_neox | "rms_norm_eps":1e-6                          | layer_norm_eps
        gpt_neox | "hidden_size":6145                           | num_attention_heads
        starcoder2 | "attention_bias":false                     | attention_bias is false, which transformers does not read for this family; set it to true
        starcoder2 | "use_bias":false,"mlp_bias":true           | mlp_bias is true
        starcoder2 | "norm_epsilon":null                        | norm_epsilon is null
        starcoder2 | "rms_norm_eps":1e-6                        | this family calls it norm_epsilon
        starcoder2 | "norm_type":"rms_norm"                     | norm_type is "rms_norm"
        starcoder2 | "mlp_type":"gated"                         | mlp_type is "gated"
        starcoder2 | "num_key_value_heads":null                 | num_key_value_heads is null
        mistral | "num_key_value_heads":null                    | num_key_value_heads is null
        gemma2  | "num_key_value_heads":null                    | num_key_value_heads is null
        gemma3_text | "num_key_value_heads":null                | num_key_value_heads is null
        starcoder2 | "partial_rotary_factor":0.5                | partial_rotary_factor is 0.5
        starcoder2 | "layer_types":["full_attention"],"num_hidden_layers":1,"sliding_window":7 | layer_types
        phi3    | "lm_head_bias":true                           | lm_head_bias
        phi3    | "head_dim":128                                | head_dim
        phi3    | "rope_scaling":{"type":"linear","factor":2}   | rope_scaling has the type "linear"
        phi3    | "partial_rotary_factor":0.535                 | rotated width of a head is 51
        phi3    | "partial_rotary_factor":0.5,"rope_parameters":{"partial_rotary_factor":0.75} | partial_rotary_factor is 0.5
        phi3    | "rope_parameters":{"rope_type":"longrope","original_max_position_embeddings":77,"short_factor":[1],"long_factor":[1]} | original_max_position_embeddings is 4096
        """)
    void unsupportedValuesAreRefusedByName(String family, String keys, String words) {
        assertRefused(() -> read(family, keys), words);
    }

    /** No family is guessed: transformers does not load such a file either. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
        "model_type":null | model_type is null
        "model_type":3    | model_type is 3
        "model_type":true | model_type is true
        "vocab_size":100  | model_type is missing
        """)
    void aFileWithoutAModelTypeIsRefused(String keys, String words) {
        String file = "{\"architectures\":[\"Qwen2ForCausalLM\"]," + keys + "}";
        assertRefused(
                () -> Families.describe(JsonFile.parse(file)), words + "; the name of the model's family is expected");
    }

    static ModelConfig read(String family, String keys) {
        String rest = keys.isEmpty() ? "" : "," + keys;
        return Families.describe(JsonFile.parse("{\"model_type\":\"" + family + "\"" + rest + "}"));
    }
}
