package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.LossType;
import org.dpo4j.model.Model;

/** How much memory logits have changes what a step costs, which the header says, and nothing else. */
class HeadProductsTest {
    private static final List<PreferencePair> PAIRS = TinyRun.pairs(8);

    /** Of the 37 words of {@link TinyRun#CONFIG}, rounded up to 40. */
    private static final long ROW_BYTES = 4 * 40;

    private static DpoOptions options(DpoOptions.Builder builder) {
        return builder.maxSteps(3).perDeviceTrainBatchSize(4).adamEpsilon(1e-3).build();
    }

    private static String head(On on, DpoOptions.Builder builder, int rows) {
        try (Model model = Model.create(TinyRun.CONFIG, on.device(), DType.F32, 3);
                Objective objective =
                        new PreferenceObjective(model, PAIRS, List.of(), options(builder), rows * ROW_BYTES)) {
            return String.valueOf(objective.facts().get("head"));
        }
    }

    private static DpoOptions.Builder of(LossType loss) {
        return TinyRun.options().lossType(loss);
    }

    /** Losses of single pairs mind the longest pair, those of micro-batches the longest four together. */
    @OnEachDevice
    void theHeaderSaysWhatAStepCosts(On on) {
        int[] tokens = PAIRS.stream()
                .mapToInt(pair -> pair.chosen().length + pair.rejected().length)
                .sorted()
                .toArray();
        int longest = tokens[7];
        int second = tokens[6];
        int four = tokens[4] + tokens[5] + second + longest;
        assertThat(head(on, of(LossType.SIGMOID), longest)).isEqualTo("three matrix products per step");
        assertThat(head(on, of(LossType.BCO_PAIR), longest)).isEqualTo("three matrix products per step");
        assertThat(head(on, of(LossType.AOT), four)).isEqualTo("three matrix products per step");
        assertThat(head(on, of(LossType.SIGMOID), longest - 1))
                .startsWith("three matrix products per step, but four for ")
                .contains("of 8 pairs")
                .contains("(up to " + longest + ")")
                .contains("the " + (longest - 1) + " rows");
        String sorted = "three matrix products per step, but four for micro-batches of more than " + (four - 1)
                + " completion tokens (up to " + four + "), the rows of logits that fit in memory, because ";
        assertThat(head(on, of(LossType.AOT), four - 1)).isEqualTo(sorted + "aot needs the whole micro-batch");
        assertThat(head(on, of(LossType.AOT_UNPAIRED), four - 1))
                .isEqualTo(sorted + "aot_unpaired needs the whole micro-batch");
        assertThat(head(on, of(LossType.BCO_PAIR).bcoRunningMean(true), four - 1))
                .isEqualTo(sorted + "the running mean of bco_pair needs the whole micro-batch");
    }

    /** Losses of their own pairs, with lengths, weights and tails; losses of whole micro-batches: in parts of any size. */
    @OnEachDevice
    void partsChangeNothing(On on) {
        List<DpoOptions.Builder> all = List.of(
                of(LossType.SIGMOID),
                TinyRun.options()
                        .lossType(LossType.SIGMOID, LossType.BCO_PAIR, LossType.SFT)
                        .lossWeights(0.8f, 0.2f, 1),
                of(LossType.SIMPO).useWeighting(true),
                of(LossType.SIGMOID).ldAlpha(0.5),
                of(LossType.AOT),
                of(LossType.AOT_UNPAIRED),
                of(LossType.BCO_PAIR).bcoRunningMean(true));
        for (DpoOptions.Builder builder : all) {
            DpoOptions options = options(builder);
            TinyRun whole = run(on, options, 1 << 10);
            for (int rows : new int[] {24, 12, 3}) {
                TinyRun run = run(on, options, rows);
                for (String name : List.of("loss", "grad_norm", "entropy", "logits/chosen", "rewards/margins")) {
                    for (int step = 0; step < 3; step++) {
                        double expected = whole.value(step, name);
                        // the same numbers added in another order: a few f32 roundings a gradient, carried over two
                        // steps
                        assertThat(run.value(step, name))
                                .as("%s of step %d, %d rows, %s", name, step + 1, rows, options.preference())
                                .isCloseTo(expected, within(1e-5 * Math.max(1, Math.abs(expected))));
                    }
                }
            }
        }
    }

    private static TinyRun run(On on, DpoOptions options, int rows) {
        try (Model model = Model.create(TinyRun.CONFIG, on.device(), DType.F32, 3)) {
            return TinyRun.dpo(model, PAIRS, options, rows * ROW_BYTES);
        }
    }

    /** Sequences are their own groups. */
    @OnEachDevice
    void sequences(On on) {
        TrainOptions options = options(TinyRun.options().adamEpsilon(1e-3)).train();
        List<TinyRun> runs = List.of(sft(on, options, 1 << 10), sft(on, options, 20), sft(on, options, 6));
        for (TinyRun run : runs) {
            for (String name : List.of("loss", "grad_norm")) {
                for (int step = 0; step < 3; step++) {
                    double expected = runs.get(0).value(step, name);
                    // as above
                    assertThat(run.value(step, name))
                            .isCloseTo(expected, within(1e-5 * Math.max(1, Math.abs(expected))));
                }
            }
        }
    }

    private static TinyRun sft(On on, TrainOptions options, int rows) {
        try (Model model = Model.create(TinyRun.CONFIG, on.device(), DType.F32, 3)) {
            return TinyRun.sft(model, TinyRun.sequences(8), options, rows * ROW_BYTES);
        }
    }
}
