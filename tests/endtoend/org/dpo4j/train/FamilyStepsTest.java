package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.data.Sequence;
import org.dpo4j.model.Model;
import org.dpo4j.model.TestFiles;

/** The first steps of a tiny random model of every family (tests/golden/families.py). */
class FamilyStepsTest {
    /** Of each family, the last directory by name: those with windows, longrope and serial residuals are late. */
    private static Collection<Path> models() throws IOException {
        Map<String, Path> models = new TreeMap<>();
        try (Stream<Path> directories = Files.list(TestFiles.golden("families"))) {
            directories
                    .sorted()
                    .forEach(model -> models.put(
                            TestFiles.json(model.resolve("config.json"))
                                    .get("model_type")
                                    .asText(),
                            model));
        }
        return models.values();
    }

    /** Policy and reference compute the same bits, so the rewards are exactly 0, and the loss is ln 2 as fp32 has it. */
    @OnEachDType
    void theFirstLossOfEveryFamilyIsLn2(On on) throws IOException {
        DpoOptions options =
                TinyRun.options().maxSteps(1).perDeviceTrainBatchSize(3).build();
        for (Path directory : models()) {
            try (Model model = Model.load(directory, on.device(), on.dtype())) {
                for (boolean isPrefixShared : new boolean[] {true, false}) {
                    String where = directory.getFileName() + ", shared " + isPrefixShared;
                    try (DpoSteps steps = new DpoSteps(model, TinyRun.pairs(3), options, isPrefixShared)) {
                        steps.step();
                        Map<String, Double> metrics = steps.metrics();
                        assertThat(metrics.get("loss")).as(where).isEqualTo((float) Math.log(2));
                        assertThat(metrics.get("rewards/chosen")).as(where).isZero();
                        assertThat(metrics.get("rewards/rejected")).as(where).isZero();
                        assertThat(metrics.get("grad_norm")).as(where).isPositive();
                    }
                }
            }
        }
    }

    /** The mean over all tokens after the first, of two sequences. Each log-prob has the tolerance of FamilyTest. */
    @OnEachDevice
    void theFirstLossOfSftIsTransformers(On on) throws IOException {
        TrainOptions options =
                TinyRun.options().maxSteps(1).perDeviceTrainBatchSize(2).build().train();
        for (Path directory : models()) {
            JsonNode golden = TestFiles.json(directory.resolve("golden.json")).get("sequences");
            double sum = 0;
            int count = 0;
            for (int i = 0; i < 2; i++) {
                double[] logProbs = TestFiles.doubles(golden.get(i).get("token_logps"));
                sum -= Arrays.stream(logProbs).sum();
                count += logProbs.length;
            }
            double maxLogit = 0;
            for (float[] logits : TestFiles.floatTensors(directory.resolve("logits.safetensors"))
                    .values()) {
                for (float logit : logits) {
                    maxLogit = Math.max(maxLogit, Math.abs(logit));
                }
            }
            try (Model model = Model.load(directory, on.device(), on.dtype())) {
                TinyRun run = TinyRun.sft(model, List.of(sequence(golden.get(0)), sequence(golden.get(1))), options);
                assertThat(run.value(0, "loss"))
                        .as("%s", directory.getFileName())
                        .isCloseTo(sum / count, within(2 * 5e-5 * maxLogit));
            }
        }
    }

    /** A text without prompt. */
    private static Sequence sequence(JsonNode golden) {
        int[] ids = TestFiles.ints(golden.get("ids"));
        return new Sequence(1, Arrays.copyOf(ids, 1), Arrays.copyOfRange(ids, 1, ids.length));
    }
}
