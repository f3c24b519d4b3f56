package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import org.dpo4j.conformance.TestDevices;
import org.dpo4j.model.TestFiles;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunListener;
import org.dpo4j.train.KlEstimate;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code sweep} on the tiny model. */
@Tag("device")
class SweepTest {
    @TempDir
    Path directory;

    private Path rows = Path.of("");

    @BeforeEach
    void write() {
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < 8; i++) {
            lines.append("{\"prompt_ids\":[%d,%d],\"chosen_ids\":[5,6,%d],\"rejected_ids\":[8,9]}\n"
                    .formatted(3 + i, 20 + i, 10 + i));
        }
        rows = TestFiles.write(directory.resolve("rows.jsonl"), lines.toString());
    }

    private Cli sweep(String more, Object... values) {
        return run("sweep", rows, more, values);
    }

    private Cli run(String command, Path rows, String more, Object... values) {
        List<String> words = Cli.words(
                "%s --dataset_name %s --output_dir %s --max_steps 2 --per_device_train_batch_size 4 --device %s"
                        + " --dtype float32 --kl_max_new_tokens 8",
                command, rows, directory.resolve("out"), TestDevices.option());
        words.addAll(Cli.words(more, values));
        return Cli.run(words);
    }

    private Cli sweepModel(String more, Object... values) {
        return sweep("--model_name_or_path " + Cli.MODEL + " --eval_dataset " + rows + " " + more, values);
    }

    private JsonNode runs() {
        return TestFiles.json(directory.resolve("out/sweep.json")).get("runs");
    }

    /**
     * With rate 0 the model stays its reference, so KL is exactly 0. The other KL is that of the answers that {@code
     * generate} samples with the same seeds, by the rewards of {@code score}, which are beta (log-prob - reference
     * log-prob). Both commands compute the same sums, so only the means' roundings differ.
     */
    @Test
    void runsAreComparedByMetricsAndKl() throws IOException {
        Cli run = sweepModel("--learning_rate 0 --grid beta=0.5 seed=1").assertSucceeded();
        assertThat(runs().get(0).at("/metrics/kl").doubleValue()).isZero();
        assertThat(runs().get(0).at("/metrics/eval_loss").doubleValue()).isEqualTo((float) Math.log(2));
        run.assertPrints("\\| 1 \\| 0.5 \\| 1 \\| 0.6931 \\| 0.000 .* \\| 0.000 ± 0.000 \\| .* \\| finished \\|");

        sweepModel("--learning_rate 1e-2 --beta 0.5 --grid seed=7").assertSucceeded();
        Path trained = directory.resolve("out/seed=7");
        Path prompts = TestFiles.write(
                directory.resolve("prompts.jsonl"), TestFiles.read(rows).replaceAll(",\"chosen.*(?=})", ""));
        Cli generated = Cli.runOnDevice(
                "generate --model_name_or_path %s --prompts %s --json --temperature 1 --seed 7 --max_new_tokens 8",
                trained, prompts);
        assertThat(generated.assertSucceeded().json()).hasSize(8);
        Path answers = directory.resolve("answers.jsonl");
        Files.writeString(
                answers,
                String.join("\n", generated.out())
                        .replaceAll("\"(row|sample)\":\\d+,|\"(prompt|completion)\":[^\\[]*?,(?=\")", ""));
        Cli scored = Cli.runOnDevice(
                "score --model_name_or_path %s --ref_model_name_or_path %s --dataset_name %s --beta 1 --output -",
                trained, Cli.MODEL, answers);
        double kl = scored.assertSucceeded().json().stream()
                .mapToDouble(line -> line.get("rewards").doubleValue())
                .average()
                .orElseThrow();
        assertThat(kl).isGreaterThan(0.1);
        assertThat(runs().get(0).at("/metrics/kl").doubleValue()).isCloseTo(kl, within(1e-12 * kl));
        assertThat(directory.resolve("out/sweep.svg")).content().contains("<svg", ">1</text>");
    }

    /** Runs of kto and of sft. With rate 0 the model stays its reference, so KL is exactly 0, and kto's loss 0.5, as 1 - sigmoid(0). */
    @Test
    void ktoAndSftHaveSweepsToo() {
        String words = "--model_name_or_path %s --eval_dataset %s --learning_rate 0 --kl_samples 4 --grid %s";
        Cli kto = run("sweep-kto", rows, words, Cli.MODEL, rows, "desirable_weight=1")
                .assertSucceeded();
        kto.assertPrints("\\| run \\| desirable_weight \\| .*loss \\| rewards/margins \\| KL.*");
        assertThat(runs().get(0).at("/metrics/kl").doubleValue()).isZero();
        assertThat(runs().get(0).at("/metrics/eval_loss").doubleValue()).isEqualTo(0.5);
        Path texts = TestFiles.write(
                directory.resolve("texts.jsonl"),
                TestFiles.read(rows).replace("chosen_ids", "completion_ids").replaceAll(",\"rejected_ids.*(?=})", ""));
        Cli sft = run("sweep-sft", texts, words, Cli.MODEL, texts, "seed=1,2").assertSucceeded();
        sft.assertPrints("\\| run \\| seed \\| loss \\| KL.*");
        assertThat(runs())
                .hasSize(2)
                .allSatisfy(
                        run -> assertThat(run.at("/metrics/kl").doubleValue()).isZero());
        assertThat(directory.resolve("out/sweep.svg")).content().contains("eval_loss against KL");
    }

    /** A run that fails is a row; the same command trains it again, and not those that finished. */
    @Test
    void aFailedRunIsARowAndFinishedRunsAreKept() throws IOException {
        Path model = directory.resolve("model");
        String words =
                "--eval_dataset " + rows + " --kl_samples 0 --grid model_name_or_path=" + model + "," + Cli.MODEL;
        Cli failed = sweep(words);
        assertThat(failed.code()).isEqualTo(1);
        failed.assertPrints("\\| 1 \\| .* failed: .*model does not exist.* \\|");
        failed.assertPrints("\\| 2 \\| .* \\| finished \\|");
        assertThat(failed.err().toString()).contains("sweep.svg is not drawn");
        Path kept = directory
                .resolve("out")
                .resolve(runs().get(1).get("name").asText())
                .resolve("model.safetensors");
        FileTime written = Files.getLastModifiedTime(kept);
        TestFiles.copyModel("llama-tiny", model);
        sweep(words).assertSucceeded();
        assertThat(runs())
                .allSatisfy(run -> assertThat(run.get("state").asText()).isEqualTo("finished"));
        assertThat(Files.getLastModifiedTime(kept)).isEqualTo(written);
    }

    /** A stopped sweep goes on: what a budget leaves out is said, and trained by the same command. */
    @Test
    void aBudgetLeavesRunsForLater() {
        Cli first =
                sweepModel("--kl_samples 0 --grid beta=0.1,0.2 --max_runs 1").assertSucceeded();
        assertThat(first.err().toString()).contains("1 of 2 runs did not fit into max_runs and max_minutes");
        first.assertPrints("\\| 2 \\| 0.2 .* \\| not run \\|");
        assertThat(directory.resolve("out/beta=0.2")).doesNotExist();
        Cli second =
                sweepModel("--kl_samples 0 --grid beta=0.1,0.2 --max_runs 1").assertSucceeded();
        assertThat(second.err().toString()).contains("beta=0.1: finished earlier");
        second.assertPrints("\\| 2 \\| 0.2 .* \\| finished \\|");
        sweepModel("--kl_samples 0 --grid beta=0.1,0.2 --weight_decay 0.1")
                .assertThatError()
                .contains("weight_decay is 0.1, but ", "beta=0.1 was begun with 0.0; choose another output_dir");
    }

    /** A run that was cancelled in its first step goes on from its checkpoint, and ends with the bytes of one that was not. */
    @Test
    void aStoppedRunGoesOn() throws IOException {
        List<String> words = Cli.words(
                "--model_name_or_path %s --dataset_name %s --eval_dataset %s --max_steps 3 --logging_steps 1 --device %s"
                        + " --dtype float32",
                Cli.MODEL, rows, rows, TestDevices.option());
        List<byte[]> weights = new ArrayList<>();
        for (boolean isStopped : new boolean[] {true, false}) {
            SweepRun run = SweepRun.plan(
                    SweepTrainer.DPO, Map.of("beta", "0.2"), directory.resolve("sweep-" + isStopped), words, null);
            Sweep sweep = sweepOf(run);
            if (isStopped) {
                assertThatThrownBy(() -> sweep.train(new StopAfterOneStep())).isInstanceOf(CancellationException.class);
                assertThat(sweep.results())
                        .hasEntrySatisfying(
                                run, result -> assertThat(result.isFinished()).isFalse());
                assertThat(run.directory().resolve("checkpoint-1")).exists();
            }
            Sweep again = sweepOf(run);
            again.train(metrics -> {});
            assertThat(again.results())
                    .hasEntrySatisfying(
                            run, result -> assertThat(result.isFinished()).isTrue());
            weights.add(Files.readAllBytes(run.directory().resolve("model.safetensors")));
        }
        assertThat(weights.get(0)).isEqualTo(weights.get(1));
    }

    private static Sweep sweepOf(SweepRun run) {
        KlEstimate.Sampling none = new KlEstimate.Sampling(0, 1);
        return new Sweep(List.of(run), new Sweep.Budget(1, 1e9), none, null, false, System::nanoTime);
    }

    private static final class StopAfterOneStep implements RunListener {
        private boolean isTrained;

        @Override
        public void metrics(Metrics metrics) {
            isTrained = true;
        }

        @Override
        public boolean isCancelled() {
            return isTrained;
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        --grid betta=1,2 | grid has betta, which is no option of dpo; did you mean beta?
        --grid desirable_weight=1,2 | grid has desirable_weight, which is an option of kto, but sweep trains dpo; use ./dpo4j sweep-kto
        --grid assistant_only_loss=true,false | grid has assistant_only_loss, which is an option of sft, but sweep trains dpo; use ./dpo4j sweep-sft
        --grid beta=0.1,0.10 | grid is beta=0.1,0.10; it must be OPTION=VALUE,VALUE (beta has the value 0.10 twice)
        --grid beta=0.1, | grid is beta=0.1,; it must be OPTION=VALUE,VALUE (beta has an empty value)
        --grid beta | grid is beta; it must be OPTION=VALUE,VALUE ("beta" is not OPTION=VALUE,VALUE)
        --grid beta=1 --grid beta=2 | grid: beta is given twice; leave one out
        --grid beta=1 --beta 2 | beta is given, and also in grid; leave one out
        --grid beta=0.1,nan | beta is NaN; it must be from 1e-30 to 1e6
        --grid beta=0.1,x | beta is x; it must be from 1e-30 to 1e6
        --grid output_dir=a,b | grid has output_dir, which belongs to the sweep itself; leave it out
        --grid beta=1 --max_runs 0 | max_runs is 0; it must be a whole number from 1 to 1,000,000
        --grid beta=1 --max_minutes nan | max_minutes is NaN; it must be above 0 and at most 1e9
        --grid beta=1 --frontier_metric loss | frontier_metric is loss; it must be a metric of an evaluation, such as eval_rewards/margins
        --grid beta=1 --resume_from_checkpoint true | resume_from_checkpoint is given, but a sweep goes on by itself; leave it out
        """)
    void badValuesAreRefused(String words, String message) {
        sweepModel(words).assertError(message);
        assertThat(directory.resolve("out")).doesNotExist();
    }

    @Test
    void aSweepNeedsAGridAndRowsToCompareBy() {
        sweepModel("").assertUsageError("grid is missing; give it");
        sweep("--model_name_or_path %s --grid beta=1", Cli.MODEL)
                .assertError("eval_dataset is missing: runs are compared by their last evaluation; give it");
    }

    /** A config file has the grid as a mapping; a value may have a comma. */
    @Test
    void aConfigFileHasTheGrid() {
        Path yaml = TestFiles.write(
                directory.resolve("sweep.yaml"), "grid:\n  loss_type: [\"sigmoid,sft\"]\n  beta: [0.1, 0.3]\n");
        sweepModel("--kl_samples 0 --config %s --max_runs 1", yaml).assertSucceeded();
        assertThat(runs())
                .extracting(run -> run.at("/grid").toString())
                .containsExactly(
                        "{\"loss_type\":\"sigmoid,sft\",\"beta\":\"0.1\"}",
                        "{\"loss_type\":\"sigmoid,sft\",\"beta\":\"0.3\"}");
    }
}
