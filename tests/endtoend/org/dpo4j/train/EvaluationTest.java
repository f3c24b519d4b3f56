package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.ToIntFunction;
import java.util.stream.Collectors;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.Sequence;
import org.dpo4j.data.UnpairedCompletion;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.UnpairedLoss.Type;
import org.dpo4j.model.Model;
import org.dpo4j.report.Metrics;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Evaluation: exact means over all rows, several sets, and when it happens. */
class EvaluationTest {
    private static final int[] BATCHES = {2, 3, 8};
    private static final List<PreferencePair> PAIRS = TinyRun.pairs(7);

    @TempDir
    private Path directory;

    /**
     * The mean over a set is that over its rows, or tokens, each evaluated alone, for batches that do not divide the set.
     * The sums on the device and the expected ones are of 7 float64 numbers, so each has 7 roundings of at most 2^-53 times
     * the sum of their sizes; the expected ones are products, with a rounding more.
     */
    @OnEachDType
    void meansArePerRowOrToken(On on) {
        float[] reference = new float[14];
        for (int i = 0; i < reference.length; i++) {
            reference[i] = -4.25f - 3 * (i % 5);
        }
        Map<String, List<PreferencePair>> alone = new LinkedHashMap<>();
        PAIRS.forEach(pair -> alone.put("row" + pair.row(), List.of(pair)));
        List<Map<String, Double>> rows = evaluated(on, EvalRows.named(alone), reference, 1);
        Map<String, ToIntFunction<PreferencePair>> weights = new LinkedHashMap<>();
        TinyRun.METRICS.forEach(name -> weights.put(name, pair -> 1));
        weights.put("logits/chosen", pair -> pair.chosen().length);
        weights.put("logits/rejected", pair -> pair.rejected().length);
        weights.put("entropy", pair -> pair.chosen().length + pair.rejected().length);
        weights.put("mean_token_accuracy", pair -> pair.chosen().length);
        assertThat(rows.stream().map(row -> row.get("rewards/accuracies"))).contains(0.0, 1.0);
        for (int batch : BATCHES) {
            Map<String, Double> set = evaluated(on, PAIRS, reference, batch).get(0);
            assertThat(set.get("lengths/margin_correlation"))
                    .as("in batches of %d", batch)
                    .isCloseTo(lengthCorrelation(rows), within(1e-12)); // of 7 pairs whose variances are no roundings
            assertThat(weights).containsOnlyKeys(without(set, "lengths/margin_correlation"));
            weights.forEach((name, weight) -> {
                double sum = 0;
                double size = 0;
                int count = 0;
                for (int i = 0; i < rows.size(); i++) {
                    int each = weight.applyAsInt(PAIRS.get(i));
                    double value = Objects.requireNonNull(rows.get(i).get(name));
                    sum += value * each;
                    size += Math.abs(value) * each;
                    count += each;
                }
                assertThat(set.get(name))
                        .as("%s in batches of %d", name, batch)
                        .isCloseTo(sum / count, within(0x1p-53 * 2 * 9 * size / count));
            });
        }
    }

    private static Set<String> without(Map<String, Double> metrics, String name) {
        Set<String> names = new LinkedHashSet<>(metrics.keySet());
        assertThat(names.remove(name)).isTrue();
        return names;
    }

    /** Pearson's, from the deviations of margins and of length differences from their means. */
    private static double lengthCorrelation(List<Map<String, Double>> rows) {
        double[] margins = rows.stream()
                .mapToDouble(row -> Objects.requireNonNull(row.get("rewards/margins")))
                .toArray();
        double[] lengths = PAIRS.stream()
                .mapToDouble(pair -> pair.chosen().length - pair.rejected().length)
                .toArray();
        double margin = Arrays.stream(margins).average().orElseThrow();
        double length = Arrays.stream(lengths).average().orElseThrow();
        double product = 0;
        double ofMargins = 0;
        double ofLengths = 0;
        for (int i = 0; i < margins.length; i++) {
            product += (margins[i] - margin) * (lengths[i] - length);
            ofMargins += Math.pow(margins[i] - margin, 2);
            ofLengths += Math.pow(lengths[i] - length, 2);
        }
        return product / Math.sqrt(ofMargins * ofLengths);
    }

    private static List<Map<String, Double>> evaluated(
            On on, List<PreferencePair> rows, float[] reference, int batch, LossType... losses) {
        DpoOptions.Builder builder = TinyRun.options().perDeviceEvalBatchSize(batch);
        DpoOptions options = (losses.length == 0 ? builder : builder.lossType(losses)).build();
        try (Model model = TinyRun.model(on);
                PreferenceObjective objective = new PreferenceObjective(model, PAIRS, rows, options)) {
            objective.begin(evaluated(reference), metrics -> {});
            return objective.evaluationSets().stream().map(objective::evaluate).toList();
        }
    }

    /** Weighted pairs, and a loss that is a mean over tokens: the same numbers for every size of batch. */
    @OnEachDType
    void noMetricDependsOnTheBatch(On on) {
        List<PreferencePair> weighted = PAIRS.stream()
                .map(pair -> new PreferencePair(
                        pair.row(),
                        pair.prompt(),
                        pair.chosen(),
                        pair.rejectedPrompt(),
                        pair.rejected(),
                        pair.row() * 0.25f,
                        Float.NaN,
                        Float.NaN))
                .toList();
        float[] reference = new float[14];
        Map<String, Double> expected = evaluated(on, weighted, reference, 1, LossType.IPO, LossType.SFT)
                .get(0);
        for (int batch : BATCHES) {
            assertSame(
                    evaluated(on, weighted, reference, batch, LossType.IPO, LossType.SFT)
                            .get(0),
                    expected,
                    batch);
        }
    }

    /** Sums of at most 7 numbers whose sizes are at most 20 times their mean, in another order. */
    private static void assertSame(Map<String, Double> found, Map<String, Double> expected, int batch) {
        assertThat(found.keySet()).isEqualTo(expected.keySet());
        expected.forEach((name, value) -> assertThat(found.get(name))
                .as("%s in batches of %d", name, batch)
                .isCloseTo(value, within(0x1p-53 * 2 * 7 * 20 * Math.abs(value))));
    }

    /** The metrics of {@code kto} and {@code sft}. The baseline of the loss {@code kto} is one of a batch, so it is left out. */
    @OnEachDType
    void noMetricOfOtherCommandsDependsOnTheBatch(On on) {
        List<UnpairedCompletion> judged = TinyRun.judged(7);
        List<Sequence> sequences = TinyRun.sequences(7);
        List<Map<String, Double>> expected = new ArrayList<>();
        for (int batch : new int[] {1, 2, 3, 8}) {
            KtoOptions kto = KtoOptions.builder()
                    .modelNameOrPath(directory)
                    .datasetName(directory)
                    .outputDir(directory)
                    .lossType(Type.APO_ZERO_UNPAIRED)
                    .perDeviceEvalBatchSize(batch)
                    .build();
            try (Model model = TinyRun.model(on);
                    UnpairedObjective unpaired = new UnpairedObjective(model, judged, judged, kto);
                    SequenceObjective plain = new SequenceObjective(model, sequences, sequences, kto.train())) {
                unpaired.begin(evaluated(new float[14]), metrics -> {});
                for (Objective objective : List.of(unpaired, plain)) {
                    Map<String, Double> means =
                            objective.evaluate(objective.evaluationSets().get(0));
                    if (batch == 1) {
                        expected.add(means);
                    } else {
                        assertSame(means, expected.get(objective == unpaired ? 0 : 1), batch);
                    }
                }
            }
        }
    }

    /** The rows of a set of kto are mismatched among themselves: the second set has the numbers that it has alone. */
    @OnEachDType
    void setsOfKtoAreApart(On on) {
        List<UnpairedCompletion> judged = TinyRun.judged(8);
        Map<String, List<UnpairedCompletion>> sets = new LinkedHashMap<>();
        sets.put("first", judged.subList(0, 4)); // not a multiple of the batch of 3
        sets.put("second", judged.subList(4, 8));
        KtoOptions options = KtoOptions.builder()
                .modelNameOrPath(directory)
                .datasetName(directory)
                .outputDir(directory)
                .evalDataset(directory)
                .perDeviceTrainBatchSize(3)
                .perDeviceEvalBatchSize(3)
                .learningRate(1e-2)
                .maxSteps(2)
                .build();
        try (Model one = TinyRun.model(on);
                Model other = TinyRun.model(on)) {
            Metrics alone = last(TinyRun.kto(one, judged, judged.subList(4, 8), options));
            Metrics beside = last(TinyRun.kto(other, judged, EvalRows.named(sets), options));
            assertThat(alone.values()).containsKey("eval_kl");
            alone.values().forEach((name, value) -> {
                if (!name.equals("epoch") && !name.equals("eval_runtime")) {
                    assertThat(beside.values().get(name.replace("eval_", "eval_second_")))
                            .as(name)
                            .isEqualTo(value);
                }
            });
        }
    }

    private static Metrics last(TinyRun run) {
        return run.history().get(run.history().size() - 1);
    }

    private DpoOptions.Builder run(String output) throws IOException {
        TinyRun.writeModelAndPairs(directory);
        List<String> lines = Files.readAllLines(directory.resolve("pairs.jsonl"));
        Files.write(directory.resolve("a.jsonl"), lines.subList(0, 3));
        Files.write(directory.resolve("b.jsonl"), lines.subList(3, 4));
        Files.writeString(
                directory.resolve("c.jsonl"),
                "{\"prompt_ids\": [3, 4], \"chosen_ids\": [5, 6, 7], \"rejected_ids\": [8, 9]}\n");
        return TinyRun.options(directory, output).maxSteps(7);
    }

    private EvalDatasets sets(String text) {
        return EvalDatasets.parse(text, directory::resolve);
    }

    /** The steps at which a set was evaluated. */
    private static List<Integer> steps(List<Metrics> history, String metric) {
        return history.stream()
                .filter(line -> line.values().containsKey(metric))
                .map(Metrics::step)
                .toList();
    }

    /** Each set has its metrics, under transformers' names, and its rows in the header. Rows of the training file are counted. */
    @Test
    @Tag("large")
    void namedSets() throws IOException {
        Recorder recorder = new Recorder();
        List<Metrics> history = DpoTrainer.train(
                run("out")
                        .evalDataset(sets("{\"old\": [\"a.jsonl\", \"c.jsonl\"], \"new\": \"c.jsonl\"}"))
                        .evalSteps(3)
                        .evalOnStart(true)
                        .build(),
                recorder);
        assertThat(steps(history, "eval_old_loss")).containsExactly(0, 3, 6, 7);
        assertThat(steps(history, "eval_new_loss")).containsExactly(0, 3, 6, 7);
        assertThat(history.get(0).values()).containsEntry("eval_old_loss", (double) (float) Math.log(2));
        assertThat(history.get(0).values()).containsKeys("eval_old_runtime", "eval_old_rewards/margins", "epoch");
        Map<String, String> facts = recorder.headers.get(0).facts();
        assertThat(facts.get("eval old pairs")).startsWith("4 ");
        assertThat(facts.get("eval new pairs")).startsWith("1 ");
        assertThat(recorder.notices.stream().filter(line -> line.contains("eval_dataset")))
                .containsExactly(
                        "3 of the 4 pairs of eval_dataset old are training rows too, so its metrics do not show"
                                + " how the model does on new rows; leave these rows out of one of the two");
    }

    /** 8 rows in micro-batches of 3 are epochs of 3 steps. */
    @Test
    @Tag("large")
    void epochsAndDelay() throws IOException {
        EvalDatasets sets = sets("c.jsonl");
        assertThat(steps(
                        DpoTrainer.train(
                                run("epochs")
                                        .evalDataset(sets)
                                        .evalStrategy(EvalStrategy.EPOCH)
                                        .build(),
                                metrics -> {}),
                        "eval_loss"))
                .containsExactly(3, 6, 7);
        assertThat(steps(
                        DpoTrainer.train(
                                run("delayed epochs")
                                        .evalDataset(sets)
                                        .evalStrategy(EvalStrategy.EPOCH)
                                        .evalDelay(1.5)
                                        .build(),
                                metrics -> {}),
                        "eval_loss"))
                .containsExactly(6, 7);
        assertThat(steps(
                        DpoTrainer.train(
                                run("delayed")
                                        .evalDataset(sets)
                                        .evalSteps(2)
                                        .evalDelay(3)
                                        .build(),
                                metrics -> {}),
                        "eval_loss"))
                .containsExactly(4, 6, 7);
    }

    /** Rows of equal sizes with other ids are not the same, and the same row twice counts twice. */
    @OnEachDType
    void overlapIsCountedByIds(On on) {
        PreferencePair other = new PreferencePair(
                9, PAIRS.get(0).prompt().clone(), PAIRS.get(0).chosen(), new int[] {3});
        PreferencePair copy = new PreferencePair(
                5,
                PAIRS.get(2).prompt().clone(),
                PAIRS.get(2).chosen().clone(),
                PAIRS.get(2).rejected().clone());
        int[] changed = PAIRS.get(1).rejected().clone();
        changed[0]++;
        PreferencePair similar =
                new PreferencePair(6, PAIRS.get(1).prompt(), PAIRS.get(1).chosen(), changed);
        Map<String, List<PreferencePair>> sets = new LinkedHashMap<>();
        sets.put("none", List.of(other, similar));
        sets.put("some", List.of(copy, other, copy));
        try (Model model = TinyRun.model(on);
                PreferenceObjective objective = new PreferenceObjective(
                        model, PAIRS, EvalRows.named(sets), TinyRun.options().build())) {
            assertThat(objective.trainingOverlap().sets().entrySet().stream()
                            .collect(Collectors.toMap(set -> set.getKey().name(), Map.Entry::getValue)))
                    .isEqualTo(Map.of("some", 2));
        }
    }

    /** A reference of pairs whose sums only evaluations read. */
    private static Reference evaluated(float[] sums) {
        return new StoredReference(List.of(new ReferenceLogProbs(new float[0], 2), new ReferenceLogProbs(sums, 2)));
    }
}
