package org.dpo4j.model.family;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Objects;
import org.dpo4j.io.JsonFile;
import org.dpo4j.model.TestFiles;
import org.dpo4j.model.family.RopeScaling.LongRope;
import org.junit.jupiter.api.Test;

/** Frequencies of scaled rotary positions are those of transformers (tests/golden/rotary_scaling.py). */
class RopeScalingTest {
    /** Half an f32 unit in the last place, relative. */
    private static final double U = 0x1p-24;

    /**
     * PyTorch's power may be a neighbour of ours, 2 U apart, and a reciprocal and a division by the factor round by U
     * each: 4 U. Between the ends of llama3's and yarn's ramps a frequency is {@code f / factor} plus a share of {@code f}.
     * The share of llama3 is {@code (turns - low) / (high - low)}, so an error of 4 U of the turns, up to {@code high =
     * 7}, is one of at most 6 U of the share, and of at most {@code 6 U factor} of the frequency. That of yarn depends on
     * the index alone.
     */
    @Test
    void frequenciesAreThoseOfTransformers() {
        int count = 0;
        int unequal = 0;
        for (JsonNode each : TestFiles.json(TestFiles.golden("rotary_scaling.json"))) {
            Rotation rotation = rotation(each);
            double factor = each.get("parameters").path("factor").asDouble(4);
            double tolerance = (4 + 6 * factor) * U;
            float[] frequencies = rotation.frequencies();
            unequal += compare(each, "frequencies", frequencies, tolerance);
            count += frequencies.length;
            if (rotation.scaling() instanceof LongRope scaling) {
                float[] longer = scaling.longFrequencies(rotation.theta(), rotation.width());
                unequal += compare(each, "long_frequencies", longer, tolerance);
                count += longer.length;
            }
        }
        assertThat(count).isEqualTo(908);
        // In other words the same operations in the same order; the others come from PyTorch's power.
        assertThat(unequal).isLessThan(count / 50);
    }

    private static int compare(JsonNode golden, String key, float[] actual, double tolerance) {
        double[] expected = TestFiles.doubles(golden.get(key));
        assertThat(actual).hasSameSizeAs(expected);
        int unequal = 0;
        for (int i = 0; i < expected.length; i++) {
            assertThat((double) actual[i])
                    .as("%s, %s %d", golden.get("parameters"), key, i)
                    .isCloseTo(expected[i], within(tolerance * expected[i]));
            unequal += actual[i] == (float) expected[i] ? 0 : 1;
        }
        return unequal;
    }

    /** A few double operations: relative error 1e-15. */
    @Test
    void factorsAreThoseOfTransformers() {
        for (JsonNode each : TestFiles.json(TestFiles.golden("rotary_scaling.json"))) {
            double expected = each.get("factor").asDouble();
            assertThat(rotation(each).scaling().attentionFactor())
                    .as("%s", each.get("parameters"))
                    .isCloseTo(expected, within(1e-15 * expected));
        }
    }

    /** The rotation of a Llama with one head and these rope_parameters. */
    private static Rotation rotation(JsonNode golden) {
        ObjectNode json = JsonFile.object();
        json.put("model_type", "llama");
        json.put("hidden_size", golden.get("width").asInt());
        json.put("num_attention_heads", 1);
        json.put("max_position_embeddings", golden.get("max_positions").asInt());
        json.set("rope_parameters", golden.get("parameters"));
        return Objects.requireNonNull(Families.describe(json)
                .architecture()
                .attention()
                .layers()
                .get(0)
                .rotation());
    }
}
