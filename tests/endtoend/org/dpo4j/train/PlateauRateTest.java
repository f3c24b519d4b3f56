package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.model.TestFiles;
import org.dpo4j.report.Metrics;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Learning rates of {@code reduce_lr_on_plateau} against those of PyTorch's ReduceLROnPlateau. */
class PlateauRateTest {
    @Test
    void ratesAreThoseOfPyTorch() {
        JsonNode golden = TestFiles.json(TestFiles.golden("plateau.json"));
        for (JsonNode each : golden.get("cases")) {
            OptionMap kwargs = OptionMap.parse(each.get("kwargs").toString());
            PlateauRate rate = new PlateauRate(kwargs, golden.get("lr").doubleValue());
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
