package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.Sequence;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Statistic;
import org.dpo4j.kernels.decoder.Segment;

class ScoringModelTest {
    private static final Sequence SHORT = new Sequence(0, new int[] {5}, new int[] {9, 30});
    private static final Sequence LONG =
            new Sequence(0, new int[] {7, 8, 9, 10}, new int[] {1, 2, 3, 4, 5, 6, 7, 8, 9});

    /**
     * Scoring makes the same calls as training on the same values, so the bits are the same. They are also the same for a
     * sequence alone and among others.
     */
    @OnEachDevice
    void scoringAndPackingKeepTheBitsOfTraining(On on) {
        try (Model model = Model.load(TestFiles.golden("llama-tiny"), on.device(), DType.F32);
                TrainingModel training = new TrainingModel(model, new TrainingModel.Options(CompletionSums.PLAIN));
                ScoringModel scoring = new ScoringModel(model, CompletionSums.PLAIN)) {
            float[] together = logprobs(training, List.of(SHORT, LONG));
            assertThat(logprobs(scoring, List.of(SHORT, LONG))).isEqualTo(together);
            assertThat(logprobs(scoring, List.of(SHORT))).containsExactly(together[0], together[1]);
            float[] swapped = logprobs(training, List.of(LONG, SHORT));
            assertThat(new float[] {swapped[9], swapped[10]}).containsExactly(together[0], together[1]);
        }
        assertThat(on.device().allocatedBytes()).as("bytes still allocated").isZero();
    }

    /** Layers share memory also if only the second has adapters, or larger ones. */
    @OnEachDevice
    void layersMayDifferInTheirAdapters(On on) {
        LoraTargets some = new LoraTargets.Matching(".*layers\\.(0\\..*q_proj|1\\..*(q|v|o|up|down)_proj)");
        LoraConfig lora = new LoraConfig(3, 6, some, false, Map.of(".*layers\\.1\\..*", 30), Map.of());
        try (Model model = Model.load(TestFiles.golden("llama-tiny"), on.device(), DType.F32)) {
            float[] before = logprobs(model);
            model.addAdapter(lora, null, 3);
            for (ParameterTensor tensor : model.trained().tensors()) {
                float[] values = new float[Math.toIntExact(tensor.count())];
                for (int i = 0; i < values.length; i++) {
                    values[i] = (i % 7 - 3) / 16f;
                }
                model.trained().writeWeights(tensor, values);
            }
            try (TrainingModel training = new TrainingModel(model, new TrainingModel.Options(CompletionSums.PLAIN))) {
                assertThat(logprobs(model))
                        .isEqualTo(logprobs(training, List.of(SHORT, LONG)))
                        .isNotEqualTo(before);
            }
        }
    }

    private static float[] logprobs(Model model) {
        try (ScoringModel scoring = new ScoringModel(model, CompletionSums.PLAIN)) {
            return logprobs(scoring, List.of(SHORT, LONG));
        }
    }

    /**
     * The log-probs have the same bits with logits of a few rows at a time and of all at once, because rows of a product
     * do not depend on each other.
     */
    @OnEachDevice
    void chunksOfTheHeadKeepTheBits(On on) {
        try (Model model = Model.load(TestFiles.golden("llama-tiny"), on.device(), DType.F32)) {
            float[] whole = headPass(model, CompletionHead.SCORING_LOGITS_BYTES);
            float[] chunked = headPass(model, 4 * 40 * 4);
            int tokens = 11;
            for (int i = 0; i < tokens; i++) {
                assertThat(chunked[i]).isEqualTo(whole[i]);
            }
            // Gradients of the head are sums over rows in two orders. The largest terms are below 10; the error
            // relative to
            // them is 2^-24 * sqrt(11).
            for (int i = tokens; i < whole.length; i++) {
                assertThat(chunked[i]).isCloseTo(whole[i], within(1e-5f));
            }
        }
    }

    /** Log-probs of LONG and SHORT, then the embedding's gradient of their sum. */
    private static float[] headPass(Model model, long logitsBytes) {
        model.parameters().zeroGradients();
        PackedBatch batch = PackedBatch.sequences(List.of(LONG, SHORT));
        ParameterTensor embedding = model.parameters().tensor("model.embed_tokens.weight");
        try (TrainingModel language =
                        new TrainingModel(model, new TrainingModel.Options(CompletionSums.PLAIN, logitsBytes, false));
                GivenGradient sum = new GivenGradient(model.device(), 2, batch.tokens(), CompletionLoss.WHOLE_BATCH)) {
            sum.accumulate(language, batch, 1, 1);
            float[] tokens = sum.tokens();
            float[] gradient = model.parameters().readGradient(embedding);
            float[] both = Arrays.copyOf(tokens, tokens.length + gradient.length);
            System.arraycopy(gradient, 0, both, tokens.length, gradient.length);
            return both;
        }
    }

    /** Entropy, hits and mean logits of tokens, summed over completions, against a Llama in double precision. */
    @OnEachDevice
    void statisticsOfCompletions(On on) {
        List<Sequence> sequences = List.of(SHORT, LONG);
        try (Model model = Model.load(TestFiles.golden("llama-tiny"), on.device(), DType.F32);
                ScoringModel language = new ScoringModel(model, new CompletionSums(1, true))) {
            LogProbs logProbs = language.forward(PackedBatch.sequences(sequences));
            int width = TokenLogProb.STATISTICS;
            float[] sums = model.device().downloadFloats(logProbs.statistics(), sequences.size() * width);
            assertThat(model.device().downloadInts(logProbs.lengths(), 2)).containsExactly(2, 9);
            ReferenceLlama reference = ReferenceLlama.of(model);
            for (int s = 0; s < sequences.size(); s++) {
                double[] expected = reference.statistics(
                        sequences.get(s).prompt(), sequences.get(s).completion());
                for (int k = 0; k < width; k++) {
                    // Logits of size 8 are off by sqrt(32) 2^-24 8 = 3e-6, and so are their mean, log-probs and
                    // entropy.
                    // A log weight is off by three times that. Each is a sum of nine tokens.
                    assertThat((double) sums[s * width + k])
                            .as("%s of completion %d", Statistic.values()[k], s)
                            .isCloseTo(expected[k], within(9 * 1e-5));
                }
            }
        }
    }

    /** A second batch of the same shape allocates nothing. */
    @OnEachDevice
    void noAllocationInTheLoop(On on) {
        try (Model model = Model.load(TestFiles.golden("llama-tiny"), on.device(), DType.F32);
                ScoringModel language = new ScoringModel(model, CompletionSums.PLAIN)) {
            logprobs(language, List.of(SHORT, LONG));
            long allocated = on.device().allocatedBytes();
            for (int i = 0; i < 3; i++) {
                logprobs(language, List.of(LONG, SHORT));
                logprobs(language, List.of(SHORT));
                assertThat(on.device().allocatedBytes()).isEqualTo(allocated);
            }
        }
    }

    @OnEachDevice
    void indicesOutOfRangeAreRefused(On on) {
        try (Model model = Model.load(TestFiles.golden("llama-tiny"), on.device(), DType.F32);
                ScoringModel scoring = new ScoringModel(model, CompletionSums.PLAIN);
                TrainingModel training = new TrainingModel(model, new TrainingModel.Options(CompletionSums.PLAIN))) {
            refused(scoring, training, batch(37, 0, 0, 1), "token id 37 at 1");
            refused(scoring, training, batch(-1, 0, 0, 1), "token id -1");
            refused(scoring, training, batch(1, 64, 0, 1), "position 64");
            refused(scoring, training, batch(1, 0, 2, 1), "hidden row 2");
            refused(scoring, training, batch(1, 0, 0, 37), "completion token id 37");
            refused(
                    scoring,
                    training,
                    new PackedBatch(
                            new int[] {1},
                            new int[] {0},
                            List.of(Segment.plain(0, 2, 0)),
                            new int[] {0},
                            new int[] {1},
                            new int[] {0, 1}),
                    "Segment");
        }
    }

    private static PackedBatch batch(int id, int position, int hiddenRow, int target) {
        return new PackedBatch(
                new int[] {1, id},
                new int[] {0, position},
                List.of(Segment.plain(0, 2, 0)),
                new int[] {hiddenRow},
                new int[] {target},
                new int[] {0, 1});
    }

    private static void refused(ScoringModel scoring, TrainingModel training, PackedBatch batch, String word) {
        assertRefused(() -> scoring.forward(batch), word);
        assertRefused(() -> training.accumulate(batch, (logProbs, count) -> 0), word);
    }

    private static float[] logprobs(TrainingModel training, List<Sequence> sequences) {
        PackedBatch batch = PackedBatch.sequences(sequences);
        int completions = batch.completions();
        try (GivenGradient loss = new GivenGradient(training.model().device(), completions, batch.tokens(), 1)) {
            loss.accumulate(training, batch, new float[completions]);
            return loss.tokens();
        }
    }

    private static float[] logprobs(ScoringModel language, List<Sequence> sequences) {
        PackedBatch batch = PackedBatch.sequences(sequences);
        return language.model().device().downloadFloats(language.forward(batch).tokens(), batch.tokens());
    }
}
