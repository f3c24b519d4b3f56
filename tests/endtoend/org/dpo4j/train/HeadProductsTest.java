package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.LossType;
import org.dpo4j.model.Model;

/** The memory for logits changes the number of matrix products of a step, as the header says, and no result. */
class HeadProductsTest {
    private static final List<PreferencePair> PAIRS = TinyRun.pairs(8);

    /** Of the 37 words of {@link TinyRun#CONFIG}, rounded up to 40. */
    private static final long ROW_BYTES = 4 * 40;

    private static DpoOptions options(DpoOptions.Builder builder) {
        return builder.maxSteps(2).perDeviceTrainBatchSize(4).adamEpsilon(1e-3).build();
    }

    private static String head(On on, DpoOptions.Builder builder, int rows) {
        try (Model model = TinyRun.model(on);
                Objective objective =
                        new PreferenceObjective(model, PAIRS, List.of(), options(builder), rows * ROW_BYTES)) {
            return String.valueOf(objective.facts().get("head"));
        }
    }

    private static DpoOptions.Builder loss(LossType loss) {
        return TinyRun.options().lossType(loss);
    }

    /** For losses of single pairs the longest pair counts, for losses of micro-batches the longest four together. */
    @OnEachDevice
    void theHeaderSaysHowManyProductsAStepNeeds(On on) {
        int[] tokens = PAIRS.stream()
                .mapToInt(pair -> pair.chosen().length + pair.rejected().length)
                .sorted()
                .toArray();
        int longest = tokens[7];
        int second = tokens[6];
        int four = tokens[4] + tokens[5] + second + longest;
        assertThat(head(on, loss(LossType.SIGMOID), longest)).isEqualTo("three matrix products per step");
        assertThat(head(on, loss(LossType.BCO_PAIR), longest)).isEqualTo("three matrix products per step");
        assertThat(head(on, loss(LossType.AOT), four)).isEqualTo("three matrix products per step");
        assertThat(head(on, loss(LossType.SIGMOID), longest - 1))
                .startsWith("three matrix products per step, but four for ")
                .contains("of 8 pairs")
                .contains("(up to " + longest + ")")
                .contains("the " + (longest - 1) + " rows");
        String sorted = "three matrix products per step, but four for micro-batches of more than " + (four - 1)
                + " completion tokens (up to " + four + "), the rows of logits that fit in memory, because ";
        assertThat(head(on, loss(LossType.AOT), four - 1)).isEqualTo(sorted + "aot needs the whole micro-batch");
        assertThat(head(on, loss(LossType.AOT_UNPAIRED), four - 1))
                .isEqualTo(sorted + "aot_unpaired needs the whole micro-batch");
        assertThat(head(on, loss(LossType.BCO_PAIR).bcoRunningMean(true), four - 1))
                .isEqualTo(sorted + "the running mean of bco_pair needs the whole micro-batch");
    }

    /** Losses of their own pairs, with lengths, weights and tails; losses of whole micro-batches: in parts of any size. */
    @OnEachDevice
    void partsChangeNothing(On on) {
        List<DpoOptions.Builder> all = List.of(
                loss(LossType.SIGMOID),
                TinyRun.options()
                        .lossType(LossType.SIGMOID, LossType.BCO_PAIR, LossType.SFT)
                        .lossWeights(0.8f, 0.2f, 1),
                loss(LossType.SIMPO).useWeighting(true),
                loss(LossType.SIGMOID).ldAlpha(0.5),
                loss(LossType.AOT),
                loss(LossType.AOT_UNPAIRED),
                loss(LossType.BCO_PAIR).bcoRunningMean(true));
        for (DpoOptions.Builder builder : all) {
            DpoOptions options = options(builder);
            TinyRun whole = run(on, options, 1 << 10);
            for (int rows : new int[] {24, 12, 3}) {
                String description = rows + " rows, " + options.preference();
                run(on, options, rows)
                        .assertCloseTo(
                                whole,
                                2,
                                description,
                                "loss",
                                "grad_norm",
                                "entropy",
                                "logits/chosen",
                                "rewards/margins");
            }
        }
    }

    private static TinyRun run(On on, DpoOptions options, int rows) {
        try (Model model = TinyRun.model(on)) {
            return TinyRun.dpo(model, PAIRS, options, rows * ROW_BYTES);
        }
    }

    @OnEachDevice
    void partsOfSequencesChangeNothing(On on) {
        TrainOptions options = options(TinyRun.options().adamEpsilon(1e-3)).train();
        TinyRun whole = sft(on, options, 1 << 10);
        for (int rows : new int[] {20, 6}) {
            sft(on, options, rows).assertCloseTo(whole, 2, rows + " rows", "loss", "grad_norm");
        }
    }

    private static TinyRun sft(On on, TrainOptions options, int rows) {
        try (Model model = TinyRun.model(on)) {
            return TinyRun.sft(model, TinyRun.sequences(8), options, rows * ROW_BYTES);
        }
    }
}
