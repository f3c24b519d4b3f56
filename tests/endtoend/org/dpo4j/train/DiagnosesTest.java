package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.NumericNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.model.TestFiles;
import org.dpo4j.report.DiagnosedRun;
import org.dpo4j.report.Diagnoses;
import org.dpo4j.report.Diagnosis;
import org.dpo4j.report.Metrics;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Each diagnosis in a small run that provokes it. */
class DiagnosesTest {
    @TempDir
    private Path directory;

    private final List<Diagnosis> found = new ArrayList<>();

    private final Recorder listener = new Recorder() {

        @Override
        public void diagnosis(Diagnosis diagnosis) {
            found.add(diagnosis);
        }
    };

    @BeforeEach
    void makeModelAndPairs() throws IOException {
        TinyRun.writeModelAndPairs(directory);
    }

    private static String row(int[] prompt, int[] chosen, int[] rejected, String more) {
        return "{\"prompt_ids\":%s,\"chosen_ids\":%s,\"rejected_ids\":%s%s}"
                .formatted(Arrays.toString(prompt), Arrays.toString(chosen), Arrays.toString(rejected), more);
    }

    private void train(UnaryOperator<DpoOptions.Builder> options) {
        DpoTrainer.train(
                options.apply(TinyRun.options(directory, "out").maxSteps(12)).build(), listener);
    }

    private void train(List<String> rows, UnaryOperator<DpoOptions.Builder> options) throws IOException {
        Path file = Files.write(directory.resolve("rows.jsonl"), rows);
        train(builder -> options.apply(builder.datasetName(file)));
    }

    private void assertFound(String rule, String... words) {
        assertThat(found)
                .filteredOn(diagnosis -> diagnosis.rule().equals(rule))
                .singleElement()
                .satisfies(diagnosis -> assertThat(diagnosis.text()).contains(words));
    }

    @Test
    void anOrdinaryRunHasNone() {
        train(options -> options.learningRate(1e-3));
        assertThat(found).isEmpty();
    }

    @Test
    void theLossIsStuck() {
        train(options -> options.learningRate(1e-9));
        assertFound("loss_stuck", "still ln 2 (0.6931) after 3 of 12 steps", "raise learning_rate (it is 8.33e-10)");
        assertThat(found).hasSize(1);
    }

    /** The decay is 0.9 from the first step on, and the minimum is 0. */
    @Test
    void theLearningRateIsZero() {
        train(options -> options.learningRate(1e-2)
                .lrSchedulerType(LrSchedulerType.WARMUP_STABLE_DECAY)
                .lrSchedulerKwargs(OptionMap.parse("num_decay_steps=4,num_stable_steps=2")));
        assertFound("learning_rate_zero", "learning rate is 0");
    }

    /** The initial norm is about 1. */
    @Test
    void theGradientIsAlwaysClipped() {
        train(options -> options.learningRate(1e-3).maxGradNorm(1e-4).maxSteps(24));
        assertFound("always_clipped", "every one of 20 lines", "max_grad_norm 1.0E-4");
        assertThat(found).hasSize(1);
    }

    /** Completions of the tokens 7 to 9 at random. So a step can only make these tokens more or less likely. */
    private static List<String> lengths(int chosen, int rejected) {
        Random random = new Random(4);
        return IntStream.range(0, 60)
                .mapToObj(row -> row(
                        random.ints(2, 3, 37).toArray(),
                        random.ints(chosen, 7, 10).toArray(),
                        random.ints(rejected, 7, 10).toArray(),
                        ""))
                .toList();
    }

    /** Ten tokens of a chosen completion become less likely, so that fourteen of a rejected one do. */
    @Test
    void chosenFallsWithRejected() throws IOException {
        train(
                lengths(10, 14),
                options -> options.learningRate(1e-2).maxSteps(40).loggingSteps(5));
        assertFound("chosen_falls", "falls together with that of rejected ones");
    }

    @Test
    void theMarginComesFromLength() throws IOException {
        train(lengths(4, 12), options -> options.learningRate(1e-2).maxSteps(40).loggingSteps(5));
        assertFound("length_margin", "chosen completions have 4 tokens and rejected ones 12");
    }

    /** A token in each chosen completion is in no rejected one. */
    @Test
    void theAccuracyIsOneAtOnce() throws IOException {
        Random random = new Random(5);
        List<String> rows = IntStream.range(0, 80)
                .mapToObj(
                        row -> row(random.ints(2, 3, 20).toArray(), new int[] {30, 30, 30}, new int[] {33, 33, 33}, ""))
                .toList();
        train(
                rows,
                options -> options.learningRate(3e-2)
                        .perDeviceTrainBatchSize(8)
                        .loggingSteps(2)
                        .maxSteps(10));
        assertFound("accuracy_at_once", "the accuracy is 1 from step 3 on, on 48 pairs");
    }

    /** The rows state log-probs that are not the model's: a random token has a log-prob of about -ln 37 = -3.6. */
    @Test
    void theReferenceIsAnotherModel() throws IOException {
        List<String> rows = TinyRun.pairs(8).stream()
                .map(pair -> row(
                        pair.prompt(),
                        pair.chosen(),
                        pair.rejected(),
                        ",\"ref_chosen_logps\":-1.0,\"ref_rejected_logps\":-1.0"))
                .toList();
        for (int loggingSteps : new int[] {1, 5}) {
            found.clear();
            train(
                    rows,
                    options -> options.learningRate(1e-3)
                            .loggingSteps(loggingSteps)
                            .overwriteOutputDir(true));
            assertFound("other_reference", "the reference is another model", "leave the reference log-probs");
        }
    }

    /** A line of 8 pairs a step: three lines are 24 pairs, which are too few to say it. */
    @Test
    void theAccuracyIsOneAtOnceWithALineForEachStep() {
        List<Metrics> lines = new ArrayList<>();
        for (int step = 1; step <= 6; step++) {
            double accuracy = step == 1 ? 0.5 : 1;
            lines.add(new Metrics(
                    step, Map.of("rewards/accuracies", accuracy, "epoch", step * 0.1, "learning_rate", 1e-3)));
        }
        DiagnosedRun run = new DiagnosedRun(10, 8, 1, 3, 3, false);
        assertThat(Diagnoses.find(run, lines.subList(0, 4))).isEmpty();
        assertThat(Diagnoses.find(run, lines))
                .singleElement()
                .hasToString(
                        "step 5: the accuracy is 1 from step 2 on, on 32 pairs that were not trained before: a trait"
                                + " such as length, format or a special token tells chosen from rejected completions; look at the"
                                + " rows (./dpo4j data)");
        lines.set(2, new Metrics(3, Map.of("rewards/accuracies", 0.875, "epoch", 0.3, "learning_rate", 1e-3)));
        assertThat(Diagnoses.find(run, lines)).isEmpty();
    }

    @Test
    void theEvaluationSetIsInTheTrainingSet() {
        train(options -> options.learningRate(1e-3)
                .evalDataset(EvalDatasets.unnamed(directory.resolve("pairs.jsonl")))
                .evalStrategy(EvalStrategy.STEPS));
        assertFound("evaluation_in_training", "of eval_dataset are training rows too", "leave these rows out");
        assertThat(found).hasSize(1);
    }

    @Test
    void manyRowsAreCut() throws IOException {
        List<String> rows = new ArrayList<>();
        for (PreferencePair pair : TinyRun.pairs(8)) {
            int[] longer = Arrays.copyOf(pair.chosen(), 40);
            Arrays.fill(longer, pair.chosen().length, 40, 7);
            rows.add(row(pair.prompt(), pair.row() <= 3 ? longer : pair.chosen(), pair.rejected(), ""));
        }
        train(rows, options -> options.learningRate(1e-3).maxLength(20));
        assertFound("truncation", "38% of the pairs are too long (3 cut, 0 left out, of 8)");
    }

    /** A resumed run says nothing again. */
    @Test
    void eachIsSaidOnce() {
        train(options ->
                options.learningRate(1e-9).saveStrategy(SaveStrategy.STEPS).saveSteps(6));
        assertThat(found).hasSize(1);
        found.clear();
        train(options -> options.learningRate(1e-9)
                .resumeFromCheckpoint(directory.resolve("out/checkpoint-6").toString()));
        assertThat(found).isEmpty();
    }

    /** TRL's own runs on ordinary pairs have none. */
    @Test
    void runsOfTrlHaveNone() {
        JsonNode golden = TestFiles.json(TestFiles.golden("trl_training.json"));
        double chosen = meanTokens(golden.get("rows"), "chosen_ids");
        double rejected = meanTokens(golden.get("rows"), "rejected_ids");
        for (JsonNode run : golden.get("cases")) {
            double maxGradNorm = run.at("/options/max_grad_norm").asDouble(1);
            List<Metrics> lines = lines(run.get("expected"));
            assertThat(Diagnoses.find(new DiagnosedRun(lines.size(), 4, maxGradNorm, chosen, rejected, false), lines))
                    .as(run.get("name").asText())
                    .isEmpty();
        }
    }

    private static double meanTokens(JsonNode rows, String column) {
        return StreamSupport.stream(rows.spliterator(), false)
                .mapToInt(row -> row.get(column).size())
                .average()
                .orElseThrow();
    }

    private static List<Metrics> lines(JsonNode columns) {
        List<Metrics> lines = new ArrayList<>();
        for (int i = 0; i < columns.get("loss").size(); i++) {
            Map<String, Double> values = new HashMap<>();
            for (var column : columns.properties()) {
                if (column.getValue().get(i) instanceof NumericNode value) {
                    values.put(column.getKey(), value.asDouble());
                }
            }
            lines.add(new Metrics(i + 1, values));
        }
        return lines;
    }
}
