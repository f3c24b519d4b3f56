package org.dpo4j.model.family;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.dpo4j.io.JsonFile;
import org.dpo4j.model.family.Architecture.LayerAttention;
import org.dpo4j.model.family.RopeScaling.LongRope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Windows and rotary positions of the layers, by the keys of config.json that are those of one family. */
class FamilyLayersTest {
    /** Windows of the first four layers, by the classes' rules. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
        mistral | "sliding_window":7                                                       | 7 7 7 7
        mistral | "sliding_window":null                                                    | - - - -
        mistral | "head_dim":8                                                             | 4096 4096 4096 4096
        mistral | "layer_types":["sliding_attention","sliding_attention","sliding_attention","sliding_attention"],"sliding_window":7 | 7 7 7 7
        qwen2   | "sliding_window":7                                                       | - - - -
        qwen2   | "sliding_window":7,"use_sliding_window":true                             | - - - -
        qwen2   | "sliding_window":7,"use_sliding_window":true,"max_window_layers":2       | - - 7 7
        qwen2   | "sliding_window":null,"use_sliding_window":true,"max_window_layers":2    | - - - -
        qwen3   | "use_sliding_window":true,"max_window_layers":3                          | - - - 4096
        qwen3   | "sliding_window":7,"use_sliding_window":true,"layer_types":["sliding_attention","full_attention","full_attention","sliding_attention"] | 7 - - 7
        smollm3 | "sliding_window":7                                                       | - - - -
        smollm3 | "sliding_window":7,"use_sliding_window":true                             | - - - 7
        smollm3 | "sliding_window":7,"use_sliding_window":true,"no_rope_layers":[1,0,0,1]  | - 7 7 -
        smollm3 | "sliding_window":7,"use_sliding_window":true,"layer_types":["sliding_attention","full_attention","full_attention","full_attention"] | 7 - - -
        olmo3   | "sliding_window":7                                                       | 7 7 7 -
        olmo3   | "sliding_window":7,"layer_types":["full_attention","sliding_attention","full_attention","full_attention"] | - 7 - -
        olmo3   | "sliding_window":null,"layer_types":["full_attention","full_attention","full_attention","full_attention"] | - - - -
        phi3    | "sliding_window":7                                                       | 7 7 7 7
        phi3    | "vocab_size":9                                                           | - - - -
        starcoder2 | "sliding_window":7                                                    | 7 7 7 7
        starcoder2 | "norm_type":"layer_norm","mlp_type":"default"                         | - - - -
        gemma2  | "sliding_window":7                                                       | 7 - 7 -
        gemma2  | "layer_types":["full_attention","sliding_attention","full_attention","full_attention"] | - 4096 - -
        gemma3_text | "sliding_window":7                                                   | 7 7 7 7
        gemma3_text | "sliding_window":7,"sliding_window_pattern":3,"_sliding_window_pattern":2 | 7 7 - 7
        gemma3_text | "sliding_window":null,"sliding_window_pattern":1                     | - - - -
        """)
    void windows(String family, String keys, String windows) {
        List<String> actual = layers(family, keys).stream()
                .map(layer -> layer.window() == null ? "-" : layer.window().toString())
                .toList();
        assertThat(String.join(" ", actual)).isEqualTo(windows);
    }

    /** A window hides nothing if it is as long as the longest sequence. */
    @Test
    void aWindowOfAllPositionsIsNone() {
        String keys = "{\"model_type\":\"mistral\",\"sliding_window\":64,\"max_position_embeddings\":";
        assertThat(architecture(keys + "64}").window(3)).isZero();
        assertThat(architecture(keys + "65}").window(3)).isEqualTo(64);
    }

    private static Architecture architecture(String json) {
        return Families.read(JsonFile.parse(json), "config.json").architecture();
    }

    /** In no_rope_layers 1 means with rotation, in spite of its name. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
        "vocab_size":9                                              | 1110
        "no_rope_layer_interval":2                                  | 1010
        "no_rope_layers":[0,1,1,1,0]                                | 0111
        "no_rope_layers":null,"no_rope_layer_interval":3            | 1101
        """)
    void layersWithRotation(String keys, String rotated) {
        StringBuilder actual = new StringBuilder();
        layers("smollm3", keys).forEach(layer -> actual.append(layer.rotation() == null ? 0 : 1));
        assertThat(actual).hasToString(rotated);
    }

    private static List<LayerAttention> layers(String family, String keys) {
        return FamilyConfigTest.read(family, "\"num_hidden_layers\":4," + keys)
                .architecture()
                .attention()
                .layers();
    }

    /** The base of layers with a window, then that of the others with the factor of its scaling. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
        "vocab_size":9                                              | 10000 1000000 1
        "rope_theta":20.0,"rope_local_base_freq":30.0               | 30 20 1
        "rope_scaling":{"rope_type":"linear","factor":8.0}          | 10000 1000000 8
        "rope_parameters":{"full_attention":{"rope_type":"linear","factor":4.0,"rope_theta":20.0},"sliding_attention":{"rope_theta":30.0}} | 30 20 4
        "rope_parameters":{"full_attention":{"rope_type":"default","rope_theta":20.0}} | 10000 20 1
        """)
    void rotationsOfGemma3(String keys, String expected) {
        assertThat(rotations(layers("gemma3_text", "\"sliding_window_pattern\":2," + keys), 0, 1))
                .isEqualTo(expected);
    }

    /** Of a layer with a window, whose positions are not scaled, and of one without. */
    private static String rotations(List<LayerAttention> layers, int withWindow, int withoutWindow) {
        Rotation sliding = Objects.requireNonNull(layers.get(withWindow).rotation());
        Rotation full = Objects.requireNonNull(layers.get(withoutWindow).rotation());
        assertThat(sliding.scaling()).isEqualTo(RopeScaling.NONE);
        double factor = full.scaling() instanceof RopeScaling.Linear linear ? linear.factor() : 1;
        return "%.0f %.0f %.0f".formatted(sliding.theta(), full.theta(), factor);
    }

    /** The base of layers with a window, and of the others with the factor of its scaling, which windows do not have. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
        "vocab_size":9                                              | 500000 500000 1
        "rope_theta":500000,"rope_scaling":{"rope_type":"linear","factor":8.0} | 500000 500000 8
        "rope_parameters":{"full_attention":{"rope_type":"linear","factor":4.0,"rope_theta":20.0},"sliding_attention":{"rope_theta":30.0}} | 30 20 4
        "rope_parameters":{"full_attention":{"rope_theta":20.0}}    | 500000 20 1
        """)
    void rotationsOfOlmo3(String keys, String expected) {
        assertThat(rotations(layers("olmo3", keys), 0, 3)).isEqualTo(expected);
    }

    /** Phi-3's early files say su or yarn; 0.75 of 96 elements are 72. The factor is sqrt(1 + ln(32) / ln(4096)). */
    @ParameterizedTest
    @CsvSource({"su", "yarn", "longrope"})
    void rotationOfPhi3(String type) {
        List<String> ones = IntStream.range(0, 36).mapToObj(i -> "1.5").toList();
        Rotation rotation = Objects.requireNonNull(layers(
                        "phi3",
                        "\"max_position_embeddings\":131072,\"partial_rotary_factor\":0.75,\"rope_scaling\":{\"type\":\""
                                + type + "\",\"short_factor\":" + ones + ",\"long_factor\":" + ones + "}")
                .get(0)
                .rotation());
        assertThat(rotation.width()).isEqualTo(72);
        LongRope scaling = (LongRope) rotation.scaling();
        assertThat(scaling.originalPositions()).isEqualTo(4096);
        assertThat(scaling.attentionFactor()).isEqualTo(Math.sqrt(1 + Math.log(32) / Math.log(4096)));
    }

    /** Base, rotated elements of the 96 of a head, and the factor of the scaling. Early files have keys of both kinds. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
        "vocab_size":9                                                                      | 10000 24 1
        "rotary_emb_base":300,"rotary_pct":0.5                                              | 300 48 1
        "rotary_emb_base":300,"rope_theta":300.0,"rotary_pct":0.5,"partial_rotary_factor":0.5 | 300 48 1
        "rotary_emb_base":300,"rope_scaling":{"type":"linear","factor":2}                   | 300 24 2
        "rope_parameters":{"rope_theta":300.0,"rope_type":"linear","factor":2.0}            | 300 24 2
        "rope_parameters":{"partial_rotary_factor":1.0}                                     | 10000 96 1
        """)
    void rotationsOfGptNeoX(String keys, String expected) {
        Rotation rotation =
                Objects.requireNonNull(layers("gpt_neox", keys).get(0).rotation());
        double factor = rotation.scaling() instanceof RopeScaling.Linear linear ? linear.factor() : 1;
        assertThat("%.0f %d %.0f".formatted(rotation.theta(), rotation.width(), factor))
                .isEqualTo(expected);
    }
}
