package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.conformance.LmHeadExponentialsCall.Bits;
import org.dpo4j.conformance.LmHeadExponentialsCall.Left;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.head.LmHeadExponentials;
import org.dpo4j.testkit.Draw;
import org.junit.jupiter.api.Tag;

/**
 * Log-probs from hidden states, and the exponentials from which products make gradients. On a device without the
 * operation, every call is refused by name.
 */
class LmHeadExponentialsTest {

    /** Sizes around tiles of 128 rows, 256 columns and 64 of the width, and vocabularies that are no multiple of 8. */
    @OnEachDevice
    @Tag("small")
    void shapesAroundATile(On on) {
        int[][] shapes = {{1, 1, 8}, {3, 7, 16}, {2, 255, 64}, {5, 257, 72}, {1, 513, 200}, {17, 256, 1}, {4, 300, 63}};
        for (int[] shape : shapes) {
            LmHeadExponentialsCall.random(shape[0], shape[1], shape[2], 3).check(on);
        }
    }

    @OnEachDevice
    void shapesOfSeveralTiles(On on) {
        int[][] shapes = {{128, 40, 8}, {129, 300, 24}, {256, 513, 320}, {300, 700, 72}};
        for (int[] shape : shapes) {
            LmHeadExponentialsCall.random(shape[0], shape[1], shape[2], 3).check(on);
        }
    }

    @OnEachDevice
    @Tag("small")
    void scaleBiasAndCap(On on) {
        LmHeadExponentialsCall call = LmHeadExponentialsCall.random(6, 300, 40, 3);
        LmHeadExponentialsCall biased = call.withBias(new Draw(8).normal(300, 2));
        call.withTransformation(0.0625f, 0).check(on);
        call.withTransformation(7, 0).check(on);
        call.withTransformation(1, 30).check(on);
        call.withTransformation(3, 0.5f).check(on); // most logits are near the cap, where the slope is near 0
        biased.check(on);
        biased.withTransformation(0.3f, 5).check(on);
    }

    /** Columns that a bias of -inf excludes have gradient 0, with a cap too. */
    @OnEachDevice
    @Tag("small")
    void columnsThatDoNotExist(On on) {
        double[] bias = new double[700];
        Arrays.fill(bias, 0, 300, Double.NEGATIVE_INFINITY);
        LmHeadExponentialsCall call =
                LmHeadExponentialsCall.random(3, 700, 24, 3).withBias(bias).withTargets(699, 300, 310);
        call.check(on);
        call.withTransformation(1, 30).check(on);
    }

    @OnEachDevice
    @Tag("small")
    void statisticsChangeNoOtherBits(On on) {
        LmHeadExponentialsCall call = LmHeadExponentialsCall.random(5, 600, 24, 35);
        for (LmHeadExponentialsCall each : List.of(call, call.withTransformation(1, 30))) {
            Left with = each.run(on);
            Left without = each.run(on, false);
            for (int row = 0; with != null && without != null && row < 5; row++) {
                same(each, without.bits(), row, with.bits(), row);
            }
        }
    }

    /** The target has nearly all of the probability, so its gradient is far below the rounding of its probability. */
    @OnEachDevice
    @Tag("small")
    void targetsThatAreNearlyCertain(On on) {
        LmHeadExponentialsCall call = LmHeadExponentialsCall.random(7, 300, 24, 1);
        double[] hidden = call.forward().hidden();
        double[] weight = call.forward().weight();
        for (int row = 0; row < 7; row++) {
            int at = 24 * call.forward().targets()[row];
            for (int k = 0; k < 24; k++) {
                weight[at + k] = Math.scalb(hidden[24 * row + k], row % 4 - 2); // logits of about 6 to 48
            }
        }
        call.check(on);
    }

    /**
     * Targets with log-probs from -1 to -1e4. From -88 on, the row gets another offset and the products run twice. In
     * the second call, only some rows do.
     */
    @OnEachDevice
    @Tag("small")
    void targetsOfHardlyAnyProbability(On on) {
        LmHeadExponentialsCall.random(5, 300, 16, 1e4).check(on);
        LmHeadExponentialsCall.random(9, 300, 24, 40).check(on);
        LmHeadExponentialsCall same = LmHeadExponentialsCall.random(2, 600, 8, 1);
        for (double each : new double[] {-100, 100}) {
            Arrays.fill(same.forward().hidden(), each);
            Arrays.fill(same.forward().weight(), 12.5); // every logit is 1e4 or -1e4
            same.check(on);
        }
    }

    /** A masked row may hold anything: its exponentials and its factor are 0. */
    @OnEachDevice
    @Tag("small")
    void maskedRowsAndTargetsBeyondTheVocabulary(On on) {
        LmHeadExponentialsCall call = LmHeadExponentialsCall.random(9, 33, 24, 3)
                .withTargets(-1, 0, 32, 33, -1, Integer.MAX_VALUE, 5, Integer.MIN_VALUE, 255);
        for (int row : new int[] {0, 4, 7}) {
            double any = row == 4 ? Double.POSITIVE_INFINITY : Double.NaN;
            Arrays.fill(call.forward().hidden(), row * 24, row * 24 + 24, any);
        }
        call.check(on);
        call.withTargets(IntStream.range(0, 9).map(row -> -1).toArray()).check(on);
    }

    @OnEachDevice
    @Tag("small")
    void aNanStaysInItsRow(On on) {
        LmHeadExponentialsCall call = LmHeadExponentialsCall.random(3, 300, 24, 3);
        Left whole = call.run(on);
        call.forward().hidden()[24 + 5] = Double.NaN;
        Left broken = call.run(on);
        if (whole == null || broken == null) {
            return;
        }
        assertThat(new double[] {broken.lse()[1], broken.logprob()[1], broken.factors()[1]})
                .containsOnly(Double.NaN);
        for (int row : new int[] {0, 2}) {
            same(call, broken.bits(), row, whole.bits(), row);
        }
    }

    /**
     * A row has the same bits alone, among others, at another place in another tile and with a larger stride; also if
     * other rows, or it, make the products run twice.
     */
    @OnEachDevice
    void rowsDoNotDependOnOtherRows(On on) {
        int rows = 300;
        for (double spread : new double[] {4, 35}) {
            LmHeadExponentialsCall whole = LmHeadExponentialsCall.random(rows, 600, 72, spread);
            whole.forward().targets()[5] = -1;
            Left together = whole.run(on);
            if (together == null) {
                return;
            }
            long moved = Arrays.stream(together.logprob()).filter(x -> x < -89).count();
            assertThat(moved > 0).as("%d rows with another offset", moved).isEqualTo(spread > 4);
            int[] order = new Draw(3).permutation(rows);
            same(whole.select(order), on, together, order);
            same(whole.select(Arrays.copyOf(order, 3)), on, together, Arrays.copyOf(order, 3));
            same(whole.select(order[7]), on, together, order[7]);
            same(whole.withGap(16), on, together, IntStream.range(0, rows).toArray());
        }
    }

    private static void same(LmHeadExponentialsCall call, On on, Left together, int... order) {
        Left left = call.run(on);
        for (int row = 0; left != null && row < order.length; row++) {
            same(call, left.bits(), row, together.bits(), order[row]);
        }
    }

    private static void same(LmHeadExponentialsCall call, Bits bits, int row, Bits others, int other) {
        int columns = call.columns();
        String what = " of row " + other;
        assertThat(bits.lse()[row]).as("lse" + what).isEqualTo(others.lse()[other]);
        assertThat(bits.logprob()[row]).as("logprob" + what).isEqualTo(others.logprob()[other]);
        assertThat(bits.factors()[row]).as("factor" + what).isEqualTo(others.factors()[other]);
        Expect.sameBits(
                "exponentials" + what,
                Arrays.copyOfRange(bits.exponentials(), row * columns, (row + 1) * columns),
                Arrays.copyOfRange(others.exponentials(), other * columns, (other + 1) * columns));
    }

    /** 12 bytes per row beside those of lm_head_forward, which are 28 per row and 256 columns, and 4 per row. */
    @OnEachDevice
    @Tag("small")
    void workspaceGrowsWithRowsAndVocabulary(On on) {
        if (LmHeadExponentials.lacks(on.device(), DType.BF16).isEmpty()) {
            assertThat(LmHeadExponentials.workspaceBytes(1000, 300)).isBetween(1000 * 68L, 1000 * 68L + 255);
            assertThat(LmHeadExponentials.workspaceBytes(1000, 513)).isBetween(1000 * 96L, 1000 * 96L + 255);
        }
    }
}
