package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.LossType;
import org.dpo4j.model.Model;

/** Pairs with weights. */
class PairWeightsTest {
    private static final List<PreferencePair> PAIRS = TinyRun.pairs(8);

    private static DpoOptions.Builder options() {
        return TinyRun.options().maxSteps(2).perDeviceTrainBatchSize(2).gradientAccumulationSteps(2);
    }

    private static List<PreferencePair> with(IntFunction<Float> weight) {
        return IntStream.range(0, PAIRS.size())
                .mapToObj(i -> {
                    PreferencePair pair = PAIRS.get(i);
                    return new PreferencePair(
                            pair.row(),
                            pair.prompt(),
                            pair.chosen(),
                            pair.rejectedPrompt(),
                            pair.rejected(),
                            weight.apply(i),
                            Float.NaN,
                            Float.NaN);
                })
                .toList();
    }

    /**
     * A pair of weight 2 is a pair that occurs twice: the loss and the gradient of a step are the same sums of float32
     * numbers, added in another order.
     */
    @OnEachDType
    void aWeightOfTwoIsAPairTwice(On on) {
        for (LossType loss : List.of(LossType.SIGMOID, LossType.SFT, LossType.IPO)) {
            DpoOptions.Builder all = TinyRun.options().lossType(loss).maxSteps(1);
            List<PreferencePair> copies = new ArrayList<>(PAIRS);
            copies.addAll(PAIRS.subList(0, 3));
            TinyRun twice =
                    TinyRun.dpo(on, copies, all.perDeviceTrainBatchSize(11).build());
            TinyRun weighted = TinyRun.dpo(
                    on,
                    with(i -> i < 3 ? 2f : 1f),
                    all.perDeviceTrainBatchSize(8).build());
            for (String name : List.of("loss", "grad_norm")) {
                double expected = twice.value(0, name);
                assertThat(weighted.value(0, name))
                        .as("%s %s", loss, name)
                        .isCloseTo(expected, within(1e-5 * expected));
            }
        }
    }

    /** Micro-batches and chunks do not change a step with weights. Rewards are means over pairs. */
    @OnEachDType
    void weightsBelongToTheirPairs(On on) {
        List<PreferencePair> pairs = with(i -> 0.25f * (i % 5));
        TinyRun parts = TinyRun.dpo(on, pairs, options().build());
        TinyRun whole = TinyRun.dpo(
                on,
                pairs,
                options()
                        .perDeviceTrainBatchSize(4)
                        .gradientAccumulationSteps(1)
                        .build());
        parts.assertCloseTo(whole, 2, "parts", "loss", "grad_norm", "rewards/chosen", "logps/chosen");
        TinyRun plain = TinyRun.dpo(on, PAIRS, options().build());
        assertThat(parts.value(0, "logps/chosen")).isEqualTo(plain.value(0, "logps/chosen"));
        assertThat(parts.value(0, "grad_norm")).isNotEqualTo(plain.value(0, "grad_norm"));
        try (Model model = TinyRun.model(on)) {
            TinyRun small = TinyRun.dpo(model, pairs, options().build(), 4L * 64 * 8);
            small.assertCloseTo(parts, 2, "small logits", "loss", "grad_norm");
        }
    }

    @OnEachDType
    void refusals(On on) {
        try (Model model = TinyRun.model(on)) {
            for (LossType loss : List.of(LossType.AOT, LossType.AOT_UNPAIRED)) {
                assertRefused(
                        () -> objective(model, with(i -> 2f), options().lossType(loss)),
                        "weights, but the loss " + loss.option());
            }
            assertRefused(() -> objective(model, with(i -> i == 4 ? -1f : 1f), options()), "row 5: weight is -1");
            assertRefused(() -> TinyRun.dpo(on, with(i -> 0f), options().build()), "of step 1 are 0");
        }
    }

    private static void objective(Model model, List<PreferencePair> pairs, DpoOptions.Builder options) {
        new PreferenceObjective(model, pairs, List.of(), options.build()).close();
    }
}
