package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.Sequence;
import org.dpo4j.kernels.DType;

/**
 * Two small published Llamas against a float64 forward pass that others wrote.
 *
 * <p>Tolerances. A log-prob is the difference of two numbers of size |logit| <= 40, each the end of a chain of some 100
 * fp32 roundings (2^-24 = 6e-8 relative): dot products of up to 384 terms whose errors add as their square root, norms,
 * softmaxes. 40 * 100 * 6e-8 = 2.4e-4 would be all of them pointing one way; pointing at random they stay below a tenth
 * of it, so 1e-4 has room and a wrong rotation, scale or epsilon, which moves log-probs by more than 1e-2, does not
 * fit. Sums of up to 160 tokens: 1e-4 * sqrt(160) = 1.3e-3, so 2e-3.
 */
class RealModelTest {
    private static final double TOKEN = 1e-4;
    private static final double SUM = 2e-3;

    @OnEachDevice
    void tinyStoriesOfTheHeadAlone(On on) {
        check(on, "models/TinyStories-656K", "models/TinyStories-656K/golden.json");
    }

    @OnEachDevice
    void tinyStoriesOfTheEmbeddingAloneInBf16(On on) {
        // the same weights, so the same values
        check(on, "models/TinyStories-656K-bf16", "models/TinyStories-656K/golden.json");
    }

    @OnEachDevice
    void stories260K(On on) {
        check(on, "models/stories260K/hf", "models/stories260K/golden.json");
    }

    private static void check(On on, String directory, String golden) {
        Path path = TestFiles.real(directory);
        JsonNode expected = TestFiles.json(TestFiles.real(golden));
        try (Model model = Model.load(path, on.device(), DType.F32);
                ScoringModel language = new ScoringModel(model, CompletionSums.PLAIN)) {
            checkTexts(language, expected.get("texts"));
            checkPairs(language, expected.get("pairs"));
            checkGreedy(model, TestFiles.ints(expected.at("/greedy_from_bos/ids")));
        }
    }

    private static void checkTexts(ScoringModel language, JsonNode texts) {
        List<Sequence> sequences = new ArrayList<>();
        for (JsonNode text : texts) {
            int[] ids = TestFiles.ints(text.get("ids"));
            sequences.add(new Sequence(0, new int[] {ids[0]}, Arrays.copyOfRange(ids, 1, ids.length)));
        }
        PackedBatch batch = PackedBatch.sequences(sequences);
        float[] actual = PairStep.floats(
                language.model().device(), language.forward(batch).tokens(), batch.tokens());
        int token = 0;
        for (JsonNode text : texts) {
            for (JsonNode logprob : text.get("logprobs")) {
                assertThat((double) actual[token])
                        .as("token %d", token)
                        .isCloseTo(logprob.doubleValue(), within(TOKEN));
                token++;
            }
        }
        assertThat(token).isEqualTo(actual.length);
    }

    private static void checkPairs(ScoringModel language, JsonNode golden) {
        List<PreferencePair> pairs = new ArrayList<>();
        for (JsonNode pair : golden) {
            pairs.add(new PreferencePair(
                    0,
                    TestFiles.ints(pair.get("prompt_ids")),
                    TestFiles.ints(pair.get("chosen_ids")),
                    TestFiles.ints(pair.get("rejected_ids"))));
        }
        PackedBatch batch = PackedBatch.pairs(pairs, true);
        float[] sums = PairStep.floats(
                language.model().device(), language.forward(batch).sums(), batch.completions());
        for (int i = 0; i < pairs.size(); i++) {
            assertThat((double) sums[2 * i])
                    .isCloseTo(golden.get(i).get("chosen_logp").doubleValue(), within(SUM));
            assertThat((double) sums[2 * i + 1])
                    .isCloseTo(golden.get(i).get("rejected_logp").doubleValue(), within(SUM));
        }
    }

    private static void checkGreedy(Model model, int[] ids) {
        int[] continuation = Arrays.copyOfRange(ids, 1, ids.length);
        try (Generator generator = new Generator(model)) {
            Generator.Request request = new Generator.Request(new int[] {ids[0]}, 1, 0);
            List<List<int[]>> texts =
                    generator.generate(List.of(request), new Generator.Options(continuation.length, 0));
            assertThat(texts.get(0).get(0)).isEqualTo(continuation);
        }
    }
}
