package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PairLayout;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.Sequence;
import org.dpo4j.kernels.DType;
import org.junit.jupiter.api.Tag;

/**
 * A model that reads sequences of more than 12 tokens with other rotary frequencies: {@code phi3-longrope} of
 * tests/golden/families. FamilyTest compares sequences of either kind with transformers.
 */
class LongRopeTest {
    private static final Path DIRECTORY = TestFiles.golden("families").resolve("phi3-longrope");
    private static final int SHORT_LENGTH = 12;

    private static Model model(On on) {
        return Model.load(DIRECTORY, on.device(), DType.F32);
    }

    /** The bits of a log-prob do not depend on the other sequences of the batch, on either side of the limit. */
    @OnEachDevice
    void eachSequenceHasTheFrequenciesOfItsOwnLength(On on) {
        List<Sequence> sequences = new ArrayList<>();
        for (int length = 9; length <= 16; length++) {
            sequences.add(new Sequence(length, ids(5), Arrays.copyOfRange(ids(length), 5, length)));
        }
        try (Model model = model(on);
                ScoringModel scoring = new ScoringModel(model, CompletionSums.PLAIN)) {
            assertThat(model.architecture().shortLength()).isEqualTo(SHORT_LENGTH);
            float[] together = logProbs(scoring, PackedBatch.sequences(sequences));
            int begin = 0;
            for (Sequence sequence : sequences) {
                float[] alone = logProbs(scoring, PackedBatch.sequences(List.of(sequence)));
                assertThat(Arrays.copyOfRange(together, begin, begin + alone.length))
                        .as("%d tokens", sequence.row())
                        .isEqualTo(alone);
                begin += alone.length;
            }
            // 12 tokens are read as 9 are, up to their common end; 13 as 16 are, and not as 12.
            float[] nine = logProbs(scoring, PackedBatch.sequences(List.of(sequences.get(0))));
            float[] twelve = logProbs(scoring, PackedBatch.sequences(List.of(sequences.get(3))));
            float[] thirteen = logProbs(scoring, PackedBatch.sequences(List.of(sequences.get(4))));
            float[] sixteen = logProbs(scoring, PackedBatch.sequences(List.of(sequences.get(7))));
            assertThat(Arrays.copyOf(twelve, nine.length)).isEqualTo(nine);
            assertThat(Arrays.copyOf(sixteen, thirteen.length)).isEqualTo(thirteen);
            assertThat(Math.abs(thirteen[6] - twelve[6])).isGreaterThan(1e-3f);
        }
    }

    /** The prompt would need two sets of keys. */
    @OnEachDevice
    void aSharedPromptOfSequencesOnBothSidesIsRefused(On on) {
        PreferencePair pair = new PreferencePair(1, ids(8), new int[] {5, 6, 7, 8, 9}, new int[] {10, 11, 12, 13});
        try (Model model = model(on);
                ScoringModel scoring = new ScoringModel(model, CompletionSums.PLAIN);
                TrainingModel training = new TrainingModel(model, new TrainingModel.Options(CompletionSums.PLAIN))) {
            PackedBatch shared = PackedBatch.pairs(List.of(pair), true);
            assertRefused(() -> scoring.forward(shared), "12 tokens", "original_max_position_embeddings");
            assertRefused(
                    () -> training.accumulate(shared, (logProbs, count) -> 0),
                    "12 tokens",
                    "original_max_position_embeddings");
            PackedBatch apart = PackedBatch.pairs(List.of(pair), new PairLayout(true, SHORT_LENGTH));
            assertThat(logProbs(scoring, apart)).isEqualTo(logProbs(scoring, PackedBatch.pairs(List.of(pair), false)));
        }
    }

    /** Texts that pass the limit at different steps, or begin beyond it, are those of their prompts alone. */
    @OnEachDevice
    void textsThatBecomeLongDoNotDependOnEachOther(On on) {
        List<Generator.Request> requests = new ArrayList<>();
        for (int length = 9; length <= 14; length++) {
            requests.add(new Generator.Request(ids(length), length % 3 + 1, length));
        }
        Generator.Options options = new Generator.Options(8, 1);
        try (Model model = model(on);
                Generator generator = new Generator(model)) {
            List<List<int[]>> together = generator.generate(requests, options);
            for (int i = 0; i < requests.size(); i++) {
                List<int[]> alone =
                        generator.generate(List.of(requests.get(i)), options).get(0);
                assertThat(together.get(i))
                        .as("prompt %d", i)
                        .usingRecursiveComparison()
                        .isEqualTo(alone);
            }
        }
    }

    /** More rows than one pass reads. The second continuation passes the limit; FamilyTest checks it alone. */
    @Tag("large")
    @OnEachDevice
    void keysOfManySamplesAreComputedAgainInSeveralPasses(On on) {
        JsonNode greedy =
                TestFiles.json(DIRECTORY.resolve("golden.json")).get("greedy").get(1);
        int[] prompt = TestFiles.ints(greedy.get("prompt_ids"));
        int[] expected = TestFiles.ints(greedy.get("ids"));
        assertThat(prompt.length).isLessThan(SHORT_LENGTH);
        assertThat(prompt.length + expected.length).isGreaterThan(SHORT_LENGTH + 1);
        try (Model model = model(on);
                Generator generator = new Generator(model)) {
            List<int[]> texts = generator
                    .generate(
                            List.of(new Generator.Request(prompt, 2000, 0)), new Generator.Options(expected.length, 0))
                    .get(0);
            assertThat(texts).hasSize(2000).allSatisfy(text -> assertThat(text).isEqualTo(expected));
        }
    }

    private static int[] ids(int count) {
        int[] ids = new int[count];
        Arrays.setAll(ids, i -> 3 + (7 * i + i * i) % 58);
        return ids;
    }

    private static float[] logProbs(ScoringModel scoring, PackedBatch batch) {
        return scoring.model().device().downloadFloats(scoring.forward(batch).tokens(), batch.tokens());
    }
}
