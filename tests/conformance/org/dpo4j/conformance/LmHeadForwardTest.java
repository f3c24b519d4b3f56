package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.dpo4j.conformance.LmHeadForwardCall.Left;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Statistic;
import org.dpo4j.kernels.head.LmHeadForward;
import org.dpo4j.testkit.Draw;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;

/**
 * Log-probs computed from hidden rows without logits in memory. On a device without the operation, every call is
 * refused by name.
 */
class LmHeadForwardTest {
    private static final double NONE = Double.NEGATIVE_INFINITY;

    /** The claimed max error, in nats. */
    private static final double CLAIM = 1e-4;

    private static int[] masked(int count, int... rows) {
        int[] targets = new int[count];
        Arrays.stream(rows).forEach(row -> targets[row] = -1);
        return targets;
    }

    /**
     * Sizes one above and one below tiles of 128 rows, 256 vocabulary columns and 64 of the width. Widths that are not
     * a multiple of 8 have padded rows.
     */
    @OnEachDevice
    @Tag("small")
    void shapesAroundATile(On on) {
        int[][] shapes = {{1, 1, 8}, {3, 7, 16}, {2, 255, 64}, {5, 257, 72}, {1, 513, 200}, {17, 256, 1}, {4, 300, 63}};
        for (int[] shape : shapes) {
            LmHeadForwardCall.random(shape[0], shape[1], shape[2], 3).check(on);
        }
    }

    @OnEachDevice
    void shapesOfSeveralTiles(On on) {
        int[][] shapes = {
            {128, 40, 8},
            {129, 300, 24},
            {127, 256, 128},
            {256, 513, 320},
            {257, 700, 264},
            {300, 1100, 256},
            {520, 600, 72}
        };
        for (int[] shape : shapes) {
            LmHeadForwardCall.random(shape[0], shape[1], shape[2], 3).check(on);
        }
    }

    /**
     * Vocabularies of GPT-2 (odd), SmolLM (whole tiles) and Qwen 2 (half a tile more); then hidden widths of real
     * models.
     */
    @OnEachDevice
    @Tag("large")
    void vocabulariesAndWidthsOfRealModels(On on) {
        int[][] shapes = {{2, 50_257, 16}, {2, 49_152, 8}, {3, 151_936, 8}, {130, 2000, 896}, {3, 3000, 576}};
        for (int[] shape : shapes) {
            LmHeadForwardCall.random(shape[0], shape[1], shape[2], 4).check(on);
        }
    }

    /**
     * Checks the claimed error besides the worst-case bound, at widths of real models. A tensor core truncates its
     * sums: once per 16 columns, by 2^-24 on average, of an accumulator with half its final magnitude on average. So a
     * logit shrinks by a relative width / 16 * 2^-25. The claim holds while this, times the difference of logits, is
     * less than 1e-4: differences up to 13 at width 4096, and 60 at 896. Logits of N(0, 1.5) and N(0, 3) satisfy this.
     */
    @OnEachDevice
    @Tag("large")
    void errorsAreBelowATenThousandth(On on) {
        for (int width : new int[] {576, 896, 4096}) {
            LmHeadForwardCall call = LmHeadForwardCall.random(9, 600, width, width < 1000 ? 3 : 1.5);
            call.check(on, CLAIM);
            call.withTransformation(1, 30).check(on, CLAIM);
        }
    }

    @OnEachDevice
    @Tag("small")
    void scaleBiasAndCap(On on) {
        LmHeadForwardCall call = LmHeadForwardCall.random(6, 300, 40, 3);
        double[] bias = new Draw(8).normal(300, 2);
        call.withTransformation(0.0625f, 0).check(on);
        call.withTransformation(7, 0).check(on);
        call.withTransformation(1, 30).check(on);
        call.withTransformation(3, 0.5f).check(on);
        call.withBias(bias).check(on);
        call.withBias(bias).withTransformation(0.3f, 5).check(on);
    }

    /** A masked row may hold anything. Other rows do not depend on it or on a row of NaN. */
    @OnEachDevice
    @Tag("small")
    void maskedRowsAndTargetsBeyondTheVocabulary(On on) {
        LmHeadForwardCall call = LmHeadForwardCall.random(9, 33, 24, 3)
                .withTargets(-1, 0, 32, 33, -1, Integer.MAX_VALUE, 5, Integer.MIN_VALUE, 255);
        for (int row : new int[] {0, 4, 7}) {
            Arrays.fill(call.hidden(), row * 24, row * 24 + 24, row == 4 ? Double.POSITIVE_INFINITY : Double.NaN);
        }
        call.check(on);
        call.withTargets(masked(9, IntStream.range(0, 9).toArray())).check(on);
    }

    @OnEachDevice
    @Tag("small")
    void aNanStaysInItsRow(On on) {
        LmHeadForwardCall call = LmHeadForwardCall.random(3, 300, 24, 3);
        Left whole = call.run(on);
        call.hidden()[24 + 5] = Double.NaN;
        Left broken = call.run(on);
        if (whole == null || broken == null) {
            return;
        }
        assertThat(new double[] {broken.lse()[1], broken.logprob()[1]}).containsOnly(Double.NaN);
        for (int row : new int[] {0, 2}) {
            assertThat(broken.lse()[row]).isEqualTo(whole.lse()[row]);
            assertThat(broken.logprob()[row]).isEqualTo(whole.logprob()[row]);
        }
    }

    /**
     * Logits of about 1e4 and -1e4: one column has all the probability, or the result is only within the bound of fp32
     * accumulators.
     */
    @OnEachDevice
    @Tag("small")
    void largeLogits(On on) {
        LmHeadForwardCall.random(5, 300, 16, 1e4).check(on);
        LmHeadForwardCall.random(5, 300, 16, 1e4).withTransformation(1, 50).check(on);
        LmHeadForwardCall same = LmHeadForwardCall.random(2, 600, 8, 1);
        for (double each : new double[] {-100, 100}) {
            Arrays.fill(same.hidden(), each);
            Arrays.fill(same.weight(), 12.5); // every logit is 1e4 or -1e4, exactly, and so every log-prob -log 600
            same.check(on, CLAIM * 10); // half a unit in the last place of 1e4 is 5e-4
        }
    }

    /** Of equal logits the first is the argmax, in the target's tile of 256 columns and in another. */
    @OnEachDevice
    @Tag("small")
    void theFirstOfEqualLogitsIsTheHit(On on) {
        LmHeadForwardCall call = LmHeadForwardCall.random(6, 600, 8, 1).withTargets(0, 1, 7, 256, 300, 599);
        Arrays.fill(call.weight(), 0.5);
        hits(call, on, 1, 0, 0, 0, 0, 0);
        double[] bias = new double[600];
        Arrays.fill(bias, 256, 600, 1);
        hits(call.withBias(bias), on, 0, 0, 0, 1, 0, 0);
        bias[7] = 1;
        hits(call.withBias(bias), on, 0, 0, 1, 0, 0, 0);
        bias[599] = 2;
        hits(call.withBias(bias).withTransformation(0.5f, 4), on, 0, 0, 0, 0, 0, 1);
    }

    private static void hits(LmHeadForwardCall call, On on, double... expected) {
        Left left = call.run(on);
        for (int row = 0; left != null && row < expected.length; row++) {
            assertThat(left.statistics()[TokenLogProb.STATISTICS * row + Statistic.HIT.ordinal()])
                    .as("row %d", row)
                    .isEqualTo(expected[row]);
        }
    }

    /** Columns that a bias of -inf excludes: whole tiles, and all columns. */
    @OnEachDevice
    @Tag("small")
    void columnsThatDoNotExist(On on) {
        LmHeadForwardCall call = LmHeadForwardCall.random(3, 700, 24, 3);
        double[] bias = new double[700];
        Arrays.fill(bias, 0, 300, NONE);
        call.withBias(bias).withTargets(699, 300, 5).check(on);
        Arrays.fill(bias, 300, 699, NONE);
        call.withBias(bias).withTargets(699, 699, 0).check(on);
        call.withBias(bias).withTransformation(1, 30).withTargets(699, 699, 0).check(on);
        Arrays.fill(bias, NONE);
        Left left = call.withBias(bias).run(on);
        if (left != null) {
            assertThat(left.lse()).containsOnly(NONE);
            assertThat(left.logprob()).containsOnly(Double.NaN);
            assertThat(left.statistics()[Statistic.MEAN_LOGIT.ordinal()]).isNaN();
        }
    }

    /** A row has the same bits alone, among others, at another place in another tile, and with a larger stride. */
    @OnEachDevice
    void rowsDoNotDependOnOtherRows(On on) {
        int rows = 300;
        LmHeadForwardCall whole = LmHeadForwardCall.random(rows, 600, 136, 4);
        whole.targets()[5] = -1;
        Left together = whole.run(on);
        int[] order = new Draw(3).permutation(rows);
        same(whole.select(order).run(on), together, order);
        same(whole.select(Arrays.copyOf(order, 100)).run(on), together, Arrays.copyOf(order, 100));
        same(whole.select(order[7]).run(on), together, order[7]);
        same(whole.withGap(16).run(on), together, IntStream.range(0, rows).toArray());
        LmHeadForwardCall biased = whole.withBias(new Draw(2).normal(600, 1)).withTransformation(0.5f, 20);
        same(biased.select(order).run(on), biased.run(on), order);
    }

    private static void same(@Nullable Left left, @Nullable Left together, int... order) {
        if (left == null || together == null) {
            return;
        }
        for (int row = 0; row < order.length; row++) {
            assertThat(left.lseBits()[row]).as("lse of row %d", order[row]).isEqualTo(together.lseBits()[order[row]]);
            assertThat(left.logprobBits()[row])
                    .as("log-prob of row %d", order[row])
                    .isEqualTo(together.logprobBits()[order[row]]);
            Expect.sameBits(
                    "statistics of row " + order[row],
                    statistics(left.statisticsBits(), row),
                    statistics(together.statisticsBits(), order[row]));
        }
    }

    private static long[] statistics(long[] bits, int row) {
        return Arrays.copyOfRange(bits, TokenLogProb.STATISTICS * row, TokenLogProb.STATISTICS * (row + 1));
    }

    @OnEachDevice
    @Tag("small")
    void devicesSayWhetherTheyHaveIt(On on) {
        assertThat(LmHeadForward.isSupported(on.device(), DType.F32)).isFalse();
        assertThat(LmHeadForward.isSupported(on.device(), DType.F16)).isFalse();
        boolean isHopper = on.device().description().contains("compute capability 9.0");
        assertThat(LmHeadForward.isSupported(on.device(), DType.BF16)).isEqualTo(isHopper);
    }

    /**
     * The workspace has 28 bytes per row and 256 columns of the vocabulary, of which 20 are for statistics, and 4 bytes per row
     * for the target's logit.
     */
    @OnEachDevice
    @Tag("small")
    void workspaceGrowsWithRowsAndVocabulary(On on) {
        if (LmHeadForward.isSupported(on.device(), DType.BF16)) {
            assertThat(LmHeadForward.workspaceBytes(1000, 300)).isBetween(1000 * 60L, 1000 * 60L + 255);
            assertThat(LmHeadForward.workspaceBytes(1000, 513)).isBetween(1000 * 88L, 1000 * 88L + 255);
        }
    }
}
