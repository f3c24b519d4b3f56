package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.assertj.core.data.Percentage;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Model;
import org.dpo4j.model.ParameterTensor;
import org.dpo4j.model.TestFiles;

/** Optimizer steps on preference pairs. */
class DpoStepsTest {

    /** Losses, norms, rates and rewards of six steps, by PyTorch in double precision. */
    @OnEachDevice
    void stepsArePyTorchs(On on) {
        JsonNode golden = TestFiles.json(TestFiles.golden("training.json")).get("dpo");
        JsonNode options = golden.get("options");
        DpoOptions same = TinyRun.options()
                .beta(options.get("beta").doubleValue())
                .labelSmoothing(options.get("label_smoothing").doubleValue())
                .learningRate(options.get("learning_rate").doubleValue())
                .weightDecay(options.get("weight_decay").doubleValue())
                .adamBeta1(options.get("adam_beta1").doubleValue())
                .adamBeta2(options.get("adam_beta2").doubleValue())
                .adamEpsilon(options.get("adam_epsilon").doubleValue())
                .maxGradNorm(options.get("max_grad_norm").doubleValue())
                .warmupSteps(options.get("warmup").intValue())
                .maxSteps(options.get("steps").intValue())
                .build();
        try (Model model = Model.load(TestFiles.golden("llama-tiny"), on.device(), DType.F32)) {
            TinyRun run = TinyRun.dpo(model, goldenPairs(), List.of(), same);
            for (int step = 0; step < run.history().size(); step++) {
                JsonNode expected = golden.get("steps").get(step);
                for (String name : List.of("learning_rate", "loss", "grad_norm", "rewards/margins", "rewards/chosen")) {
                    // A logit of size 8 from f32 products of 32 terms is off by about sqrt(32) 2^-24 8 = 3e-6, a
                    // completion of 9 tokens by at most 9 of that, a reward by beta = 0.1 of the sum: 2.4e-6. Four
                    // times that bounds loss and rewards, and the norm relatively, as its terms are as exact.
                    assertThat(run.value(step, name))
                            .as("%s of step %d", name, step + 1)
                            .isCloseTo(
                                    expected.get(name).doubleValue(),
                                    within(1e-5 * Math.max(1, expected.get(name).doubleValue())));
                }
            }
        }
    }

    @OnEachDType
    void beforeTheFirstStepTheLossIsLn2AndRewardsAreExactly0(On on) {
        TinyRun run = TinyRun.dpo(
                on.device(),
                on.dtype(),
                TinyRun.pairs(6),
                TinyRun.options().maxSteps(1).build());
        assertThat(run.value(0, "loss")).isCloseTo(Math.log(2), within(1e-6));
        for (String name : List.of("rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies")) {
            assertThat(run.value(0, name)).as(name).isZero();
        }
    }

    @OnEachDType
    void theMarginRises(On on) {
        DpoOptions options = TinyRun.options().maxSteps(20).build();
        TinyRun run = TinyRun.dpo(on.device(), on.dtype(), TinyRun.pairs(8), options);
        assertThat(run.last("rewards/margins")).isGreaterThan(0.5);
        assertThat(run.last("rewards/accuracies")).isEqualTo(1);
        assertThat(run.last("loss")).isLessThan(0.4);
    }

    @OnEachDType
    void twoRunsWriteTheSameBits(On on) {
        DpoOptions options = TinyRun.options()
                .maxSteps(4)
                .perDeviceTrainBatchSize(3)
                .gradientAccumulationSteps(2)
                .build();
        TinyRun one = TinyRun.dpo(on.device(), on.dtype(), TinyRun.pairs(8), options);
        TinyRun other = TinyRun.dpo(on.again(), on.dtype(), TinyRun.pairs(8), options);
        assertThat(other.weights()).containsExactly(one.weights());
    }

    /** One step of 8 pairs, however it is cut: also where the last micro-batch is smaller. */
    @OnEachDevice
    void accumulationChangesNothing(On on) {
        TinyRun whole = TinyRun.dpo(on.device(), DType.F32, TinyRun.pairs(8), cut(8, 1));
        for (DpoOptions options : List.of(cut(1, 8), cut(4, 2), cut(3, 3), cut(5, 2))) {
            TinyRun run = TinyRun.dpo(on.device(), DType.F32, TinyRun.pairs(8), options);
            assertThat(run.history()).hasSameSizeAs(whole.history());
            for (int step = 0; step < 3; step++) {
                for (String name : List.of("loss", "grad_norm", "rewards/margins", "logps/chosen")) {
                    // the same numbers added in another order: a few f32 roundings a gradient, carried over two steps
                    assertThat(run.value(step, name))
                            .as("%s of step %d, %s", name, step + 1, options.train())
                            .isCloseTo(
                                    whole.value(step, name),
                                    within(1e-5 * Math.max(1, Math.abs(whole.value(step, name)))));
                }
            }
        }
    }

    /**
     * At the first step every pair has x = 0, where d loss / dx = -(1 - 2 label_smoothing) / 2, and dx carries beta.
     */
    @OnEachDevice
    void theFirstGradientCarriesBetaAndSmoothing(On on) {
        double plain = firstNorm(on, 0.1, 0);
        // factors are applied to one f32 scalar a completion; what follows is linear in it but for rounding
        assertThat(firstNorm(on, 0.3, 0) / plain).isCloseTo(3, Percentage.withPercentage(1e-3));
        assertThat(firstNorm(on, 0.1, 0.2) / plain).isCloseTo(0.6, Percentage.withPercentage(1e-3));
    }

    /** With a rate of 0 the policy stays the reference: evaluation finds ln 2, and nothing moves. */
    @OnEachDType
    void evaluationReadsItsOwnPairsAgainstTheReference(On on) {
        List<PreferencePair> others = TinyRun.pairs(13).subList(8, 13);
        try (Model model = Model.create(TinyRun.CONFIG, on.device(), on.dtype(), 3)) {
            float[] before = TinyRun.weights(model);
            TinyRun run = TinyRun.dpo(
                    model, TinyRun.pairs(8), others, evaluated().learningRate(0).build());
            assertThat(run.last("eval_loss")).isCloseTo(Math.log(2), within(1e-6));
            assertThat(run.last("eval_rewards/margins")).isZero();
            TinyRun trainedOnThem = TinyRun.dpo(
                    model, others, List.of(), TinyRun.options().learningRate(0).build());
            // f64 sums of the same five f32 numbers in another order
            assertThat(run.last("eval_logps/chosen"))
                    .isCloseTo(trainedOnThem.value(0, "logps/chosen"), Percentage.withPercentage(1e-12));
            assertThat(TinyRun.weights(model)).containsExactly(before);
        }
    }

    @OnEachDType
    void evaluationComesEveryEvalStepsAndAtTheEnd(On on) {
        try (Model model = Model.create(TinyRun.CONFIG, on.device(), on.dtype(), 3)) {
            TinyRun run = TinyRun.dpo(
                    model, TinyRun.pairs(8), TinyRun.pairs(8), evaluated().build());
            assertThat(run.history().stream()
                            .filter(line -> line.values().containsKey("eval_loss"))
                            .map(line -> line.step()))
                    .containsExactly(2, 4, 5);
            assertThat(run.last("eval_rewards/margins")).isGreaterThan(0);
        }
    }

    /** The second step of an absurd rate meets weights that overflow. */
    @OnEachDevice
    void aGradientThatIsNotFiniteStopsTheRunAndNamesTheStep(On on) {
        DpoOptions options = TinyRun.options()
                .maxSteps(5)
                .learningRate(1e30)
                .lrSchedulerType(LrSchedulerType.CONSTANT)
                .build();
        try (Model model = Model.create(TinyRun.CONFIG, on.device(), DType.F32, 3)) {
            assertThatThrownBy(() -> TinyRun.dpo(model, TinyRun.pairs(8), List.of(), options))
                    .isInstanceOf(Dpo4jException.class)
                    .hasMessageContaining("step 2")
                    .hasMessageContaining("learning_rate");
            for (float weight : TinyRun.weights(model)) {
                assertThat(weight).isFinite();
            }
        }
    }

    /** beta1 = beta2 = 0 and a huge epsilon leave of a step nothing but the decay of matrices. */
    @OnEachDevice
    void matricesDecayAndNormsDoNot(On on) {
        DpoOptions options = TinyRun.options()
                .maxSteps(1)
                .learningRate(0.5)
                .weightDecay(0.5)
                .adamEpsilon(1e30)
                .lrSchedulerType(LrSchedulerType.CONSTANT)
                .build();
        try (Model model = Model.create(TinyRun.CONFIG, on.device(), DType.F32, 3)) {
            float[] before = TinyRun.weights(model);
            float[] after =
                    TinyRun.dpo(model, TinyRun.pairs(4), List.of(), options).weights();
            for (ParameterTensor tensor : model.parameters().tensors()) {
                double factor = tensor.matrix() ? 0.75 : 1;
                for (int i = (int) tensor.offset(); i < tensor.offset() + tensor.count(); i++) {
                    assertThat((double) after[i]).as(tensor.name()).isCloseTo(factor * before[i], within(1e-7));
                }
            }
        }
    }

    /** An option that is accepted changes a number. */
    @OnEachDevice
    void everyOptionChangesTheWeights(On on) {
        Map<String, DpoOptions.Builder> changed = Map.ofEntries(
                Map.entry("beta", base().beta(0.2)),
                Map.entry("label_smoothing", base().labelSmoothing(0.1)),
                Map.entry("learning_rate", base().learningRate(2e-2)),
                Map.entry("lr_scheduler_type", base().lrSchedulerType(LrSchedulerType.COSINE)),
                Map.entry("warmup_steps", base().warmupSteps(2)),
                Map.entry("warmup_ratio", base().warmupRatio(0.41)),
                Map.entry("per_device_train_batch_size", base().perDeviceTrainBatchSize(2)),
                Map.entry("gradient_accumulation_steps", base().gradientAccumulationSteps(2)),
                Map.entry("num_train_epochs", base().maxSteps(-1).numTrainEpochs(2)),
                Map.entry("max_steps", base().maxSteps(7)),
                Map.entry("weight_decay", base().weightDecay(0.1)),
                Map.entry("adam_beta1", base().adamBeta1(0.8)),
                Map.entry("adam_beta2", base().adamBeta2(0.9)),
                Map.entry("adam_epsilon", base().adamEpsilon(1e-3)),
                Map.entry("max_grad_norm", base().adamEpsilon(1e-3).maxGradNorm(1e-3)),
                Map.entry("seed", base().seed(43)));
        Map<Integer, String> seen = new HashMap<>();
        seen.put(Arrays.hashCode(weights(on, base())), "none");
        changed.forEach((name, options) -> {
            String same = seen.put(Arrays.hashCode(weights(on, options)), name);
            assertThat(same).as("what has the weights of " + name).isNull();
        });
    }

    @OnEachDevice
    void warmupRatioIsAShareOfTheSteps(On on) {
        // 0.39 * 5 steps, rounded up
        assertThat(weights(on, base().warmupRatio(0.39))).containsExactly(weights(on, base().warmupSteps(2)));
    }

    private static float[] weights(On on, DpoOptions.Builder options) {
        return TinyRun.dpo(on.device(), DType.F32, TinyRun.pairs(8), options.build())
                .weights();
    }

    private static DpoOptions.Builder base() {
        return TinyRun.options().perDeviceTrainBatchSize(3).maxSteps(5);
    }

    private static DpoOptions.Builder evaluated() {
        return TinyRun.options()
                .evalDataset(Path.of("unread"))
                .maxSteps(5)
                .evalSteps(2)
                .perDeviceEvalBatchSize(3);
    }

    private static DpoOptions cut(int batch, int accumulation) {
        return TinyRun.options()
                .perDeviceTrainBatchSize(batch)
                .gradientAccumulationSteps(accumulation)
                .maxSteps(3)
                .adamEpsilon(1e-3)
                .build();
    }

    private static double firstNorm(On on, double beta, double smoothing) {
        DpoOptions options = TinyRun.options()
                .beta(beta)
                .labelSmoothing(smoothing)
                .maxSteps(1)
                .build();
        return TinyRun.dpo(on.device(), DType.F32, TinyRun.pairs(8), options).value(0, "grad_norm");
    }

    private static List<PreferencePair> goldenPairs() {
        List<PreferencePair> pairs = new ArrayList<>();
        for (JsonNode pair : TestFiles.json(TestFiles.golden("llama-tiny").resolve("golden.json"))
                .get("pairs")) {
            pairs.add(new PreferencePair(
                    pairs.size() + 1,
                    TestFiles.ints(pair.get("prompt_ids")),
                    TestFiles.ints(pair.get("chosen_ids")),
                    TestFiles.ints(pair.get("rejected_ids"))));
        }
        return pairs;
    }
}
