package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.Sequence;
import org.dpo4j.kernels.DType;
import org.dpo4j.model.family.Rotation;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Rotary angles are those of transformers (tests/golden/rotary.py, long_positions.py). */
class RotaryTableTest {
    /** Half an f32 unit in the last place, relative. */
    private static final double U = 0x1p-24;

    @TempDir
    Path directory;

    /**
     * PyTorch's f32 power is within one unit in the last place of the exact power; ours is the nearest f32 number. So the two
     * are equal or neighbours, 2 U apart, and the reciprocal of each rounds by U. These values come from glibc's power,
     * with which one of 1,680 is a neighbour.
     */
    @Test
    void frequenciesAreThoseOfTransformers() {
        int count = 0;
        int unequal = 0;
        for (JsonNode each : TestFiles.json(TestFiles.golden("rotary.json"))) {
            float[] frequencies = frequencies(each);
            float[] expected = floats(each.get("frequencies"));
            assertThat(frequencies).hasSameSizeAs(expected);
            for (int i = 0; i < expected.length; i++) {
                assertThat(frequencies[i]).isCloseTo(expected[i], within((float) (4 * U * expected[i])));
                count++;
                unequal += frequencies[i] == expected[i] ? 0 : 1;
            }
        }
        assertThat(count).isEqualTo(1680);
        assertThat(unequal).isEqualTo(1);
    }

    /**
     * Angles of equal frequencies have equal bits. Our cosine is the nearest f32 number, off by at most U / 2. PyTorch's is
     * within one unit in the last place, U for values below 1. Angles in double precision would be off by 131,071 U.
     */
    @Test
    void cosinesAndSinesAreThoseOfTransformers() {
        int positions = 0;
        for (JsonNode each : TestFiles.json(TestFiles.golden("rotary.json"))) {
            float[] frequencies = frequencies(each);
            for (int i = 0; each.has("positions") && i < each.get("positions").size(); i++) {
                int position = each.get("positions").get(i).asInt();
                for (boolean sines : new boolean[] {false, true}) {
                    FloatBuffer values = FloatBuffer.allocate(frequencies.length);
                    RotaryTable.fill(values, frequencies, 1, position, position + 1, sines);
                    float[] expected =
                            floats(each.get(sines ? "sine" : "cosine").get(i));
                    for (int k = 0; k < expected.length; k++) {
                        assertThat(values.get(k))
                                .as("theta %s, position %d, angle %d", each.get("theta"), position, k)
                                .isCloseTo(expected[k], within((float) (2 * U)));
                    }
                }
                positions++;
            }
        }
        assertThat(positions).isEqualTo(3 * 2 * 5);
    }

    /**
     * Log-probs at up to 6,000 tokens against transformers in float64, which computes angles in f32 all the same. A rounding
     * has a standard deviation of at most U / sqrt(3), relative. A logit of size 8 is a sum of 32 products behind nine such
     * sums, so its error has the standard deviation sqrt(320 / 3) U 8 = 4.9e-6. A log-prob is a difference of two such
     * numbers: 7e-6. Six of them are 4.2e-5. Angles in double precision would be off by nearly twice that. The emulated
     * device reads the first 1,600 tokens: a log-prob does not depend on later ones, and the host makes the table.
     */
    @OnEachDevice
    void longSequencesAreThoseOfTransformers(On on) throws IOException {
        double tolerance = 4.2e-5;
        JsonNode golden = TestFiles.json(TestFiles.golden("long_positions.json"));
        double[] expected = TestFiles.doubles(golden.get("log_probs"));
        double[] exact = TestFiles.doubles(golden.get("exact"));
        double max = 0;
        for (int i = 0; i < expected.length; i++) {
            max = Math.max(max, Math.abs(expected[i] - exact[i]));
        }
        assertThat(max).isGreaterThan(1.5 * tolerance);
        int tokens = on.name().equals("emulated") ? 1600 : 6000;
        float[] logProbs = logProbs(on, golden, tokens);
        int compared = 0;
        for (int i = 0; i < expected.length; i++) {
            int place = golden.get("places").get(i).asInt();
            if (place < logProbs.length) {
                assertThat((double) logProbs[place]).as("place %d", place).isCloseTo(expected[i], within(tolerance));
                compared++;
            }
        }
        assertThat(compared).isEqualTo(tokens == 6000 ? expected.length : 4);
    }

    private float[] logProbs(On on, JsonNode golden, int tokens) throws IOException {
        Path source = TestFiles.golden("llama-tiny");
        ObjectNode config = (ObjectNode) TestFiles.json(source.resolve("config.json"));
        config.put("max_position_embeddings", 8192);
        config.put("rope_theta", golden.get("theta").asDouble());
        Files.writeString(directory.resolve("config.json"), config.toString());
        Files.copy(source.resolve("model.safetensors"), directory.resolve("model.safetensors"));
        int[] ids = Arrays.copyOf(tokenIds(), tokens);
        Sequence sequence = new Sequence(0, new int[] {ids[0]}, Arrays.copyOfRange(ids, 1, ids.length));
        try (Model model = Model.load(directory, on.device(), DType.F32);
                ScoringModel language = new ScoringModel(model, CompletionSums.PLAIN)) {
            LogProbs logProbs = language.forward(PackedBatch.sequences(List.of(sequence)));
            return model.device().downloadFloats(logProbs.tokens(), ids.length - 1);
        }
    }

    private static float[] frequencies(JsonNode golden) {
        return new Rotation(golden.get("theta").asDouble(), golden.get("width").asInt()).frequencies();
    }

    /** Values for {@code yarn} and {@code longrope} are cosines times the factor, both in f32. */
    @Test
    void theFactorMultipliesCosinesAndSines() {
        FloatBuffer cosines = FloatBuffer.allocate(2);
        FloatBuffer sines = FloatBuffer.allocate(2);
        float[] frequencies = {1, 0.5f};
        RotaryTable.fill(cosines, frequencies, 1.25f, 3, 4, false);
        RotaryTable.fill(sines, frequencies, 1.25f, 3, 4, true);
        assertThat(cosines.array()).containsExactly((float) Math.cos(3) * 1.25f, (float) Math.cos(1.5) * 1.25f);
        assertThat(sines.array()).containsExactly((float) Math.sin(3) * 1.25f, (float) Math.sin(1.5) * 1.25f);
    }

    /** As long_positions.py makes them. */
    private static int[] tokenIds() {
        int[] ids = new int[6000];
        long state = 1;
        for (int i = 0; i < ids.length; i++) {
            state = (1103515245L * state + 12345) % (1L << 31);
            ids[i] = (int) ((state >> 16) % 37);
        }
        return ids;
    }

    private static float[] floats(JsonNode array) {
        float[] values = new float[array.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.get(i).floatValue();
        }
        return values;
    }
}
