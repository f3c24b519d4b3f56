package org.dpo4j.train;

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
import java.util.stream.Stream;
import org.dpo4j.io.JsonFile;
import org.dpo4j.model.TestFiles;
import org.dpo4j.report.Metrics;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Early stopping, and runs that end with the weights of their best checkpoint. */
class BestModelTest {
    @TempDir
    private Path directory;

    /** Expected: transformers' Trainer and EarlyStoppingCallback (tests/golden/early_stopping.py). */
    @Test
    void valuesAndCounterAreThoseOfTransformers() {
        JsonNode cases = TestFiles.json(TestFiles.golden("early_stopping.json"));
        assertThat(cases).isNotEmpty();
        for (JsonNode golden : cases) {
            Path unread = Path.of("unread");
            BestModel best = new BestModel(TinyRun.options()
                    .evalDataset(unread)
                    .evalSteps(5)
                    .greaterIsBetter(golden.get("greater").booleanValue())
                    .metricForBestModel("loss")
                    .earlyStoppingPatience(golden.get("patience").intValue())
                    .earlyStoppingThreshold(golden.get("threshold").doubleValue())
                    .build()
                    .train());
            for (int i = 0; i < golden.get("after").size(); i++) {
                JsonNode after = golden.get("after").get(i);
                assertThat(best.isStopped()).isFalse();
                double value = golden.get("values").get(i).asDouble(Double.NaN);
                best.add(5 * (i + 1), Map.of("eval_loss", value), false);
                ObjectNode saved = JsonFile.object();
                assertThat(best.isStopped())
                        .as("%s after %d", golden, i)
                        .isEqualTo(after.get("stops").booleanValue());
                best.describe(saved, unread);
                assertThat(saved.get("best_metric")).isEqualTo(after.get("best_metric"));
                assertThat(saved.get("best_global_step")).isEqualTo(after.get("best_global_step"));
            }
        }
    }

    /** No value is finite, so there is no best step, and the message names none. */
    @Test
    void earlyStoppingWithoutAFiniteValueSaysSo() {
        BestModel best = new BestModel(TinyRun.options()
                .evalDataset(Path.of("unread"))
                .evalSteps(5)
                .earlyStoppingPatience(2)
                .loadBestModelAtEnd(true)
                .saveSteps(5)
                .build()
                .train());
        for (int step = 5; !best.isStopped(); step += 5) {
            assertThat(step).isLessThanOrEqualTo(15);
            best.add(step, Map.of("eval_loss", Double.NaN), false);
        }
        assertThat(best.isSought()).isTrue();
        assertThat(best.absent(15))
                .isEqualTo("no checkpoint has a finite eval_loss, so the model is that of the last step, 15");
        assertThat(best.stop(15)).isEqualTo("early stopping after step 15: eval_loss was not finite in 2 evaluations");
    }

    /** 12 steps, evaluated and saved every two. */
    private DpoOptions.Builder options(String output) throws IOException {
        if (!Files.exists(directory.resolve("pairs.jsonl"))) {
            TinyRun.writeModelAndPairs(directory);
            Files.writeString(
                    directory.resolve("other.jsonl"),
                    "{\"prompt_ids\": [3, 4], \"chosen_ids\": [5, 6, 7], \"rejected_ids\": [8, 9]}\n");
        }
        return TinyRun.options(directory, output)
                .evalDataset(directory.resolve("other.jsonl"))
                .evalSteps(2)
                .saveSteps(2)
                .loggingSteps(5)
                .maxSteps(12);
    }

    private static List<Integer> evaluations(List<Metrics> history) {
        return history.stream()
                .filter(line -> line.values().containsKey("eval_loss"))
                .map(Metrics::step)
                .toList();
    }

    /** No evaluation improves on the first one by a million, so the fourth ends the run. Each resumed run ends at the same step. */
    @Test
    void aRunThatStopsEarlyGoesOnWithTheSameBits() throws IOException {
        Recorder recorder = new Recorder();
        List<Metrics> history = DpoTrainer.train(stopping("out").build(), recorder);
        assertThat(evaluations(history)).containsExactly(2, 4, 6, 8);
        assertThat(recorder.notices)
                .anyMatch(line -> line.startsWith("early stopping after step 8: eval_loss did not"));
        JsonNode state = TestFiles.json(directory.resolve("out/checkpoint-8/trainer_state.json"));
        assertThat(state.get("numbers").get("early_stopping_patience_counter").intValue())
                .isEqualTo(3);
        for (int step : new int[] {2, 6, 8}) {
            String output = "from-" + step;
            DpoTrainer.train(
                    stopping(output)
                            .resumeFromCheckpoint(
                                    directory.resolve("out/checkpoint-" + step).toString())
                            .build(),
                    metrics -> {});
            assertSame(output, "out");
        }
    }

    private DpoOptions.Builder stopping(String output) throws IOException {
        return options(output).earlyStoppingPatience(3).earlyStoppingThreshold(1e6);
    }

    private void assertSame(String output, String expected) throws IOException {
        RunFiles.assertSame(directory.resolve(output), directory.resolve(expected));
    }

    /** The steps of the checkpoints of a run. */
    private List<Integer> checkpoints(String output) throws IOException {
        try (Stream<Path> files = Files.list(directory.resolve(output))) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.startsWith("checkpoint-"))
                    .map(name -> Integer.parseInt(name.substring("checkpoint-".length())))
                    .sorted()
                    .toList();
        }
    }

    /** The logged value decides which checkpoint is kept and becomes the final model, whichever it is. */
    @Test
    void theFinalModelIsTheBestCheckpoint() throws IOException {
        List<Integer> chosen = new ArrayList<>();
        for (boolean isGreaterBetter : new boolean[] {false, true}) {
            String output = "greater-" + isGreaterBetter;
            Recorder recorder = new Recorder();
            List<Metrics> history =
                    DpoTrainer.train(best(output, isGreaterBetter).build(), recorder);
            int best = 0;
            double value = isGreaterBetter ? Double.NEGATIVE_INFINITY : Double.POSITIVE_INFINITY;
            for (Metrics line : history) {
                double found = line.values().getOrDefault("eval_loss", value);
                if (isGreaterBetter ? found > value : found < value) {
                    value = found;
                    best = line.step();
                }
            }
            chosen.add(best);
            assertThat(recorder.notices).anyMatch(line -> line.contains("with the best eval_loss"));
            assertThat(checkpoints(output)).isEqualTo(best == 12 ? List.of(12) : List.of(best, 12));
            assertThat(directory.resolve(output + "/model.safetensors"))
                    .hasSameBinaryContentAs(directory.resolve(output + "/checkpoint-" + best + "/model.safetensors"));
            JsonNode state = TestFiles.json(directory.resolve(output + "/checkpoint-12/trainer_state.json"));
            assertThat(state.get("best_metric").doubleValue()).isEqualTo(value);
            assertThat(state.get("best_global_step").intValue()).isEqualTo(best);
            assertThat(Path.of(state.get("best_model_checkpoint").textValue()))
                    .isEqualTo(directory.resolve(output + "/checkpoint-" + best));
        }
        assertThat(chosen).contains(12).anyMatch(step -> step < 12); // of both kinds
        assertResumedRunKnowsTheBest("greater-" + (chosen.get(1) < 12), chosen.get(1) < 12);
    }

    /** As in transformers, a run writes a checkpoint after each evaluation that is better than all before it. */
    @Test
    void saveStrategyBestWritesACheckpointOfEachImprovement() throws IOException {
        List<Integer> counts = new ArrayList<>();
        for (boolean isGreaterBetter : new boolean[] {false, true}) {
            String output = "greater-" + isGreaterBetter;
            List<Metrics> history = DpoTrainer.train(
                    best(output, isGreaterBetter)
                            .saveStrategy(SaveStrategy.BEST)
                            .saveTotalLimit(100)
                            .build(),
                    metrics -> {});
            List<Integer> expected = new ArrayList<>();
            double best = Double.NaN;
            for (Metrics line : history) {
                double loss = line.values().getOrDefault("eval_loss", Double.NaN);
                boolean isBetter = isGreaterBetter ? loss > best : loss < best;
                if (isBetter || Double.isNaN(best) && !Double.isNaN(loss)) {
                    best = loss;
                    expected.add(line.step());
                }
            }
            counts.add(expected.size());
            assertThat(checkpoints(output)).isEqualTo(expected);
            assertThat(directory.resolve(output + "/model.safetensors"))
                    .hasSameBinaryContentAs(directory.resolve(
                            output + "/checkpoint-" + expected.get(expected.size() - 1) + "/model.safetensors"));
        }
        assertThat(counts).anyMatch(count -> count > 1).anyMatch(count -> count < 6);
    }

    @Test
    void saveStrategyBestNeedsAMetricAndEvaluations() throws IOException {
        DpoOptions.Builder options = options("out").saveStrategy(SaveStrategy.BEST);
        assertRefused(
                options::build,
                "save_strategy is best but metric_for_best_model is not given; set it, for example to loss");
        DpoOptions.Builder without = TinyRun.options(directory, "out")
                .saveStrategy(SaveStrategy.BEST)
                .metricForBestModel("loss");
        assertRefused(without::build, "eval_strategy is no, so there is nothing to compare");
    }

    private DpoOptions.Builder best(String output, boolean isGreaterBetter) throws IOException {
        return options(output)
                .evalDataset(directory.resolve("pairs.jsonl"))
                .loadBestModelAtEnd(true)
                .metricForBestModel("loss")
                .greaterIsBetter(isGreaterBetter)
                .saveTotalLimit(1);
    }

    private void assertResumedRunKnowsTheBest(String from, boolean isGreaterBetter) throws IOException {
        DpoOptions resumed = best("resumed", isGreaterBetter)
                .resumeFromCheckpoint(directory.resolve(from + "/checkpoint-12").toString())
                .build();
        DpoTrainer.train(resumed, metrics -> {});
        assertSame("resumed", from);
        try (Stream<Path> files = Files.list(directory.resolve(from))) {
            for (Path path : files.filter(file -> file.getFileName().toString().startsWith("checkpoint-"))
                    .filter(file -> !file.endsWith("checkpoint-12"))
                    .toList()) {
                Files.move(path, directory.resolve("moved"));
            }
        }
        DpoOptions without = best("without", isGreaterBetter)
                .resumeFromCheckpoint(directory.resolve(from + "/checkpoint-12").toString())
                .build();
        assertRefused(
                () -> DpoTrainer.train(without, metrics -> {}), "does not exist; go on from a checkpoint beside it");
    }

    @Test
    void aMetricThatTheRunDoesNotHaveIsRefused() throws IOException {
        DpoOptions options = options("out")
                .metricForBestModel("eval_f1")
                .greaterIsBetter(true)
                .build();
        assertRefused(
                () -> DpoTrainer.train(options, metrics -> {}),
                "metric_for_best_model is eval_f1, which this run does not have; name one of eval_loss, eval_rewards/chosen");
    }
}
