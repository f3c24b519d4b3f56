package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BiFunction;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.TestFiles;
import org.dpo4j.report.Metrics;
import org.dpo4j.train.checkpoint.SavedState;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Learning rates that follow a metric, against those of PyTorch's ReduceLROnPlateau and of transformers' GreedyLR. */
class MetricRateTest {
    @Test
    void ratesAreThoseOfPyTorch() {
        checkRates("plateau.json", PlateauRate::new);
    }

    @Test
    void ratesAreThoseOfGreedyLr() {
        checkRates("greedy.json", GreedyRate::new);
    }

    private static void checkRates(String file, BiFunction<OptionMap, Double, MetricRate> begin) {
        JsonNode golden = TestFiles.json(TestFiles.golden(file));
        for (JsonNode each : golden.get("cases")) {
            OptionMap kwargs = OptionMap.parse(each.get("kwargs").toString());
            MetricRate rate = begin.apply(kwargs, golden.get("lr").doubleValue());
            for (int i = 0; i < each.get("metrics").size(); i++) {
                String metric = each.get("metrics").get(i).textValue();
                rate.add(metric.equals("nan") ? Double.NaN : Double.parseDouble(metric));
                assertThat(rate.rate())
                        .as("%s, evaluation %d", kwargs, i)
                        .isEqualTo(each.get("rates").get(i).doubleValue());
            }
        }
    }

    private static DpoOptions.Builder options(String kwargs) {
        return TinyRun.options()
                .lrSchedulerType(LrSchedulerType.REDUCE_LR_ON_PLATEAU)
                .lrSchedulerKwargs(OptionMap.parse(kwargs))
                .evalDataset(Path.of("unread"))
                .evalSteps(2);
    }

    /** No evaluation improves by 100, so the rate is halved after the second and the third. */
    @Test
    void anEvaluationLowersTheRateOfLaterSteps(@TempDir Path directory) throws IOException {
        TinyRun.writeModelAndPairs(directory);
        List<Metrics> lines = DpoTrainer.train(
                options("patience=0,factor=0.5,threshold=100,threshold_mode=abs")
                        .modelNameOrPath(directory.resolve("model"))
                        .datasetName(directory.resolve("pairs.jsonl"))
                        .evalDataset(directory.resolve("pairs.jsonl"))
                        .outputDir(directory.resolve("out"))
                        .device("cpu")
                        .learningRate(0x1p-7)
                        .maxSteps(7)
                        .build(),
                metrics -> {});
        assertThat(lines.stream()
                        .filter(line -> line.values().containsKey("learning_rate"))
                        .map(line -> line.values().get("learning_rate")))
                .containsExactly(0x1p-7, 0x1p-7, 0x1p-7, 0x1p-7, 0x1p-8, 0x1p-8, 0x1p-9);
    }

    /** A rate that a checkpoint restores goes on as if it had not stopped, with its window. */
    @Test
    void aRestoredRateGoesOn(@TempDir Path directory) {
        OptionMap kwargs = OptionMap.parse("patience=0,smooth=true,window_size=3,min_lr=0,factor=0.5");
        for (int stop = 0; stop < 12; stop++) {
            GreedyRate whole = new GreedyRate(kwargs, 1e-3);
            GreedyRate begun = new GreedyRate(kwargs, 1e-3);
            for (int i = 0; i < 12; i++) {
                if (i == stop) {
                    GreedyRate resumed = new GreedyRate(kwargs, 1e-3);
                    copy(begun, resumed, directory.resolve("state"));
                    begun = resumed;
                }
                double metric = 1 + Math.sin(i * i) / (i + 1);
                whole.add(metric);
                begun.add(metric);
                assertThat(begun.rate()).isEqualTo(whole.rate());
            }
        }
    }

    private static void copy(MetricRate from, MetricRate to, Path file) {
        try (Device device = Devices.cpu(1)) {
            SavedState saved = new SavedState(device);
            from.state(saved);
            saved.writeArrays(file);
            SavedState restored = new SavedState(device);
            to.state(restored);
            restored.restore(file, saved.numbers());
        }
    }

    @Test
    void refusesWhatItCannotFollow() {
        assertRefused(
                () -> options("patience=0")
                        .warmupSteps(2)
                        .build()
                        .train()
                        .step()
                        .schedule(9),
                "has no warm-up");
        assertRefused(() -> options("factor=1").build(), "lr_scheduler_kwargs: factor is 1");
        assertRefused(
                () -> options("smooth=true,window_size=0")
                        .lrSchedulerType(LrSchedulerType.GREEDY)
                        .build(),
                "lr_scheduler_kwargs: window_size is 0");
        assertRefused(
                () -> TinyRun.options()
                        .lrSchedulerType(LrSchedulerType.REDUCE_LR_ON_PLATEAU)
                        .build(),
                "set it to steps or epoch");
        assertRefused(
                () -> options("patience=0")
                        .metricForBestModel("rewards/accuracies")
                        .build(),
                "mode is min but greater values of metric_for_best_model rewards/accuracies are better; set mode to max");
    }
}
