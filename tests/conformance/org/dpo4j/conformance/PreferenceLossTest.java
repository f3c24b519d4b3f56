package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceLoss.Metric;
import org.dpo4j.kernels.PreferenceOptions;
import org.dpo4j.kernels.PreferenceOptions.Divergence;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Statistic;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

class PreferenceLossTest {
    /** Step of the central differences. */
    private static final double H = 1e-3;

    private static final PreferenceOptions SIGMOID = PreferenceOptions.forLoss(LossType.SIGMOID);

    @OnEachDevice
    @Tag("small")
    void everyLossWithEveryModifier(On on) {
        for (PreferenceVariant variant : PreferenceVariant.all()) {
            for (int pairs : new int[] {0, 1, 2, 7, 32}) { // 32 fill a warp
                check(on, variant, variant.fit(PreferenceCall.random(pairs, pairs)));
            }
        }
    }

    /**
     * If the policy is the reference, every score is exactly 0 for any divergence. So the losses have the bits of
     * reverse_kl, also if they divide the two scores by two lengths. Those of sigmoid and sigmoid_norm are ln 2, that
     * of ipo is 1/(2 beta) squared: 4 at beta 0.25.
     */
    @OnEachDevice
    @Tag("small")
    void theFirstStepOfEveryDivergenceIsThatOfReverseKl(On on) {
        PreferenceCall call = PreferenceCall.random(9, 3);
        PreferenceCall same = call.withReference(call.sums());
        for (LossType loss : PreferenceVariant.with(LossType::hasDivergences)) {
            double[] expected = same.on(on, atStepZero(loss).build()).losses();
            if (loss == LossType.SIGMOID || loss == LossType.SIGMOID_NORM) {
                assertThat(expected).containsOnly((float) Math.log(2));
            } else if (loss == LossType.IPO) {
                assertThat(expected).containsOnly(4);
            }
            for (Divergence divergence : new Divergence[] {Divergence.FORWARD_KL, Divergence.JS_DIVERGENCE}) {
                double[] losses = same.on(
                                on, atStepZero(loss).divergence(divergence).build())
                        .losses();
                assertThat(losses).as("%s, %s", loss, divergence).isEqualTo(expected);
            }
            for (float alpha : new float[] {0.5f, 2, -1, 0, 1}) {
                PreferenceOptions options = atStepZero(loss)
                        .divergence(Divergence.ALPHA_DIVERGENCE)
                        .divergenceAlpha(alpha)
                        .build();
                assertThat(same.on(on, options).losses())
                        .as("%s, alpha %s", loss, alpha)
                        .isEqualTo(expected);
            }
        }
    }

    private static PreferenceOptions.Builder atStepZero(LossType loss) {
        return PreferenceOptions.builder().loss(loss).beta(0.25f).labelSmoothing(loss == LossType.EXO_PAIR ? 0.1f : 0);
    }

    /** A scale in device memory gives the same results as the same scale by value. */
    @OnEachDevice
    @Tag("small")
    void scaleInDeviceMemory(On on) {
        for (PreferenceVariant variant : PreferenceVariant.all()) {
            PreferenceCall call = variant.fit(PreferenceCall.random(3, 5));
            PreferenceCall.Left expected = call.on(on, variant.options());
            PreferenceCall.Left left = call.on(on, variant.options(), true);
            Expect.sameBits("losses, " + variant, left.lossBits(), expected.lossBits());
            Expect.sameBits("d_sums, " + variant, left.dSumBits(), expected.dSumBits());
            assertThat(left.metrics()).as("metrics, %s", variant).isEqualTo(expected.metrics());
        }
    }

    @OnEachDevice
    void manyPairs(On on) {
        for (LossType loss : new LossType[] {LossType.SIGMOID, LossType.SIMPO, LossType.AOT, LossType.AOT_UNPAIRED}) {
            PreferenceVariant variant = PreferenceVariant.of(0.1f, Divergence.REVERSE_KL, false, loss);
            for (int pairs : new int[] {variant.sorts() ? 64 : 33, 256, 1025, 4096}) {
                check(on, variant, variant.fit(PreferenceCall.random(pairs, pairs)));
            }
        }
    }

    /**
     * Log-probs that are whole numbers, so that many of the sorted numbers are equal. The CUDA kernel sorts in a warp up to 32
     * pairs, in shared memory up to 4096, and then in the workspace.
     */
    @OnEachDevice
    void equalNumbersAreSortedByPosition(On on) {
        for (LossType loss : new LossType[] {LossType.AOT, LossType.AOT_UNPAIRED}) {
            PreferenceVariant variant = PreferenceVariant.of(0.1f, Divergence.REVERSE_KL, false, loss);
            for (int pairs : new int[] {2, 31, 32, 33, 64, 65, 700, 4097}) {
                PreferenceCall call = variant.fit(PreferenceCall.random(pairs, pairs));
                for (double[] values : new double[][] {call.sums(), call.reference()}) {
                    Arrays.setAll(values, i -> 8 * Math.rint(values[i] / 8) + 0.0);
                }
                double[] losses = variant.losses(call, call.sums(), 0);
                Expect.near(
                        pairs + " pairs, " + variant + " losses",
                        call.on(on, variant.options()).losses(),
                        losses,
                        i -> Tolerance.roundedOnce(losses[i]) + Tolerance.doubles(40, 1000 + Math.abs(losses[i])));
            }
        }
    }

    /** -0 equals 0. First numbers are zeros of both signs, second numbers ascend, so pair i gets the i-th of both. */
    @OnEachDevice
    @Tag("small")
    void zerosOfBothSignsAreSortedByPosition(On on) {
        for (int pairs : new int[] {5, 40}) {
            double[] sums = new double[2 * pairs];
            double[] reference = new double[2 * pairs];
            for (int i = 0; i < pairs; i++) {
                sums[2 * i] = i % 3 == 0 ? 0.0 : -0.0;
                reference[2 * i] = i;
            }
            double[] losses = PreferenceCall.of(sums, reference)
                    .on(on, PreferenceOptions.forLoss(LossType.AOT))
                    .losses();
            for (int i = 0; i < pairs; i++) {
                double expected = Math.log1p(Math.exp(0.1 * i));
                assertThat(losses[i]).as("loss %d of %d", i, pairs).isCloseTo(expected, within(1e-6 * expected));
            }
        }
    }

    /** The weights are numbers of float32, one of them 0. */
    @OnEachDevice
    @Tag("small")
    void everyLossWithWeights(On on) {
        for (PreferenceVariant variant : PreferenceVariant.all()) {
            if (!variant.sorts()) {
                PreferenceCall call = variant.fit(PreferenceCall.random(7, 11));
                check(on, variant, call.withWeights(1, 0.5, 0, 2, 0.25, 3, 1.75));
            }
        }
        PreferenceVariant variant = PreferenceVariant.of(0, Divergence.REVERSE_KL, false, LossType.SIGMOID);
        double[] many = IntStream.range(0, 1025).mapToDouble(i -> i % 8 / 4.0).toArray();
        check(on, variant, PreferenceCall.random(1025, 12).withWeights(many));
    }

    /** Weights of 1 change no bit. A pair of weight 0 has no gradient, and the other pairs keep theirs. */
    @OnEachDevice
    @Tag("small")
    void weightsOfOneAndZero(On on) {
        for (PreferenceVariant variant : PreferenceVariant.all()) {
            if (variant.sorts()) {
                continue;
            }
            PreferenceCall call = variant.fit(PreferenceCall.random(4, 13));
            PreferenceCall.Left plain = call.on(on, variant.options());
            PreferenceCall.Left ones = call.withWeights(1, 1, 1, 1).on(on, variant.options());
            Expect.sameBits("losses, " + variant, ones.lossBits(), plain.lossBits());
            Expect.sameBits("d_sums, " + variant, ones.dSumBits(), plain.dSumBits());
            assertThat(ones.metrics()).as("metrics, %s", variant).isEqualTo(plain.metrics());
            PreferenceCall.Left left = call.withWeights(1, 0, 1, 1).on(on, variant.options());
            assertThat(left.dSums()[2]).as("%s", variant).isZero();
            assertThat(left.dSums()[3]).as("%s", variant).isZero();
            assertThat(left.dSumBits()[4]).as("%s", variant).isEqualTo(plain.dSumBits()[4]);
            assertThat(Metric.LOSS.count(left.metrics())).isEqualTo(3);
            assertThat(Metric.REWARD_CHOSEN.count(left.metrics())).isEqualTo(4);
        }
    }

    /** bco_pair's shift is the mean of all rewards so far, including those of this call. */
    @OnEachDevice
    @Tag("small")
    void runningMeanOfRewards(On on) {
        PreferenceVariant variant = PreferenceVariant.of(0, Divergence.REVERSE_KL, false, LossType.BCO_PAIR);
        check(on, variant, PreferenceCall.random(5, 1).withRunningMean(0, 0));
        check(on, variant, PreferenceCall.random(300, 2).withRunningMean(-35.5, 40));
    }

    private static void check(On on, PreferenceVariant variant, PreferenceCall call) {
        PreferenceCall.Left left = call.on(on, variant.options());
        // Inputs as stored, so that the reference reads the same numbers as the device.
        PreferenceCall stored = new PreferenceCall(
                left.sums(),
                call.reference() == null ? null : left.reference(),
                call.lengths(),
                left.statistics(),
                call.metrics(),
                call.runningMean(),
                call.pairScale(),
                call.tokenScale(),
                call.weights());
        String what = call.pairs() + " pairs, " + variant;
        double shift = checkRunningMean(what, variant, stored, left);
        double[] losses = variant.losses(stored, left.sums(), shift);
        // Both sides use fp64: about a dozen roundings of numbers up to the loss, the sums times beta, and 1/(2 beta)
        // squared.
        double magnitude = 1000;
        Expect.near(
                what + " losses",
                left.losses(),
                losses,
                i -> Tolerance.roundedOnce(losses[i]) + Tolerance.doubles(40, magnitude + Math.abs(losses[i])));
        checkGradients(what, variant, stored, left, shift);
        PreferenceMetrics.check(what, variant, stored, left);
    }

    private static double checkRunningMean(
            String what, PreferenceVariant variant, PreferenceCall call, PreferenceCall.Left left) {
        double[] before = call.runningMean();
        if (before == null || call.reference() == null) {
            return 0;
        }
        double[] after = before.clone();
        double magnitude = Math.abs(after[0]);
        for (int i = 0; i < left.sums().length; i++) {
            double reward = variant.numbers().beta() * (left.sums()[i] - left.reference()[i]);
            after[0] += reward;
            after[1]++;
            magnitude += Math.abs(reward) + Math.abs(left.sums()[i]);
        }
        double allowed = Tolerance.doubles(left.sums().length, magnitude);
        Expect.near(what + " running_mean", left.runningMean(), after, i -> allowed);
        return after[0] / after[1];
    }

    /**
     * Central differences at H and H/2, extrapolated. Their error is H^4/480 times a fifth derivative, here about
     * 1e-14, plus three roundings of the summed losses, divided by H.
     */
    private static void checkGradients(
            String what, PreferenceVariant variant, PreferenceCall call, PreferenceCall.Left left, double shift) {
        int pairs = call.pairs();
        boolean all = variant.sorts();
        if (all && pairs > 50) {
            return; // each difference would sort all pairs again
        }
        double[] expected = new double[2 * pairs];
        double[] magnitudes = new double[2 * pairs];
        for (int i = 0; i < 2 * pairs; i++) {
            int completion = i;
            // A loss that does not sort depends only on its own pair.
            PreferenceCall near = all ? call : call.select(i / 2);
            double[] sums = all ? left.sums() : Arrays.copyOfRange(left.sums(), i / 2 * 2, i / 2 * 2 + 2);
            int at = all ? completion : completion % 2;
            ToDoubleFunction<double[]> total =
                    x -> Arrays.stream(variant.losses(near, x, shift)).sum();
            double coarse = difference(total, sums, at, H);
            double fine = difference(total, sums, at, H / 2);
            expected[i] = call.pairScale() * (4 * fine - coarse) / 3;
            magnitudes[i] = Math.abs(total.applyAsDouble(sums)) + 1000;
        }
        Expect.near(
                what + " d_sums",
                left.dSums(),
                expected,
                i -> Tolerance.roundedOnce(expected[i])
                        + call.pairScale() * (Tolerance.doubles(40, magnitudes[i]) / H + 1e-12));
    }

    private static double difference(ToDoubleFunction<double[]> f, double[] x, int at, double h) {
        double[] above = x.clone();
        double[] below = x.clone();
        above[at] += h;
        below[at] -= h;
        return (f.applyAsDouble(above) - f.applyAsDouble(below)) / (2 * h);
    }

    /**
     * Policy and reference are equal, as in the first step of training: the loss is ln 2, rewards and accuracy are
     * exactly 0.
     */
    @OnEachDevice
    @Tag("small")
    void theFirstStep(On on) {
        double[] sums = new Draw(1).normal(40, 200);
        PreferenceCall.Left left = PreferenceCall.of(sums, sums).on(on, SIGMOID);
        double[] lnTwo = new double[20];
        Arrays.fill(lnTwo, (float) Math.log(2));
        Expect.exactly("losses", left.losses(), lnTwo);
        for (Metric zero :
                new Metric[] {Metric.REWARD_CHOSEN, Metric.REWARD_REJECTED, Metric.MARGIN, Metric.ACCURACY}) {
            assertThat(zero.mean(left.metrics())).as(zero.name()).isZero();
        }
        for (int i = 0; i < 40; i++) {
            assertThat(left.dSums()[i]).isEqualTo((i % 2 == 0 ? -1 : 1) * (double) (float) (0.1f * 0.5));
        }
    }

    /** Without a reference, results are those with a reference of zeros. */
    @OnEachDevice
    @Tag("small")
    void referenceFree(On on) {
        PreferenceCall.Left alike =
                PreferenceCall.of(new double[] {-7, -7, -1e4, -1e4}, null).on(on, SIGMOID);
        Expect.exactly("losses", alike.losses(), new double[] {(float) Math.log(2), (float) Math.log(2)});
        for (PreferenceVariant variant : PreferenceVariant.all()) {
            if (variant.options().hasReference() && !variant.options().needsReference()) {
                PreferenceCall call = variant.fit(PreferenceCall.random(6, 2));
                PreferenceCall.Left free = call.withReference(null).on(on, variant.options());
                PreferenceCall.Left zeros = call.withReference(new double[12]).on(on, variant.options());
                Expect.sameBits(variant + " losses", free.lossBits(), zeros.lossBits());
                Expect.sameBits(variant + " d_sums", free.dSumBits(), zeros.dSumBits());
                Expect.exactly(variant + " metrics", free.metrics(), zeros.metrics());
            }
        }
    }

    /** A pair has the same bits alone, among others and in another order, unless the loss sorts pairs. */
    @OnEachDevice
    @Tag("small")
    void pairsDoNotDependOnOtherPairs(On on) {
        for (PreferenceVariant variant : PreferenceVariant.all()) {
            if (variant.sorts()) {
                continue;
            }
            for (int pairs : new int[] {9, 40}) { // computed by a warp, and by a block
                pairsDoNotDependOnOtherPairs(on, variant, pairs);
            }
        }
    }

    private static void pairsDoNotDependOnOtherPairs(On on, PreferenceVariant variant, int pairs) {
        int[] order = new Draw(3).permutation(pairs);
        PreferenceCall call = variant.fit(PreferenceCall.random(pairs, 4));
        PreferenceCall.Left together = call.on(on, variant.options());
        PreferenceCall.Left shuffled = call.select(order).on(on, variant.options());
        for (int i = 0; i < pairs; i++) {
            assertThat(shuffled.lossBits()[i]).as("%s", variant).isEqualTo(together.lossBits()[order[i]]);
            assertThat(shuffled.dSumBits()[2 * i + 1]).isEqualTo(together.dSumBits()[2 * order[i] + 1]);
        }
        assertThat(call.select(5).on(on, variant.options()).lossBits()[0]).isEqualTo(together.lossBits()[5]);
    }

    /** Losses that sort do not depend on the order of the pairs. Ties are ordered by position. */
    @OnEachDevice
    @Tag("small")
    void sortingDoesNotDependOnTheOrder(On on) {
        for (LossType loss : PreferenceVariant.with(loss -> loss.reduction() == LossType.Reduction.BATCH)) {
            PreferenceOptions options = PreferenceOptions.forLoss(loss);
            PreferenceCall call = PreferenceCall.random(37, 5);
            int[] order = new Draw(6).permutation(37);
            PreferenceCall.Left straight = call.on(on, options);
            PreferenceCall.Left shuffled = call.select(order).on(on, options);
            for (int i = 0; i < 37; i++) {
                assertThat(shuffled.lossBits()[i]).isEqualTo(straight.lossBits()[order[i]]);
            }
            double[] equal = new double[20];
            Arrays.fill(equal, -3);
            PreferenceCall.Left ties = PreferenceCall.of(equal, equal).on(on, options);
            assertThat(Arrays.stream(ties.losses()).distinct().count()).isEqualTo(1);
        }
    }

    /** A NaN in one pair changes only the loss of that pair and the metrics. */
    @OnEachDevice
    @Tag("small")
    void aNanStaysInItsPair(On on) {
        for (PreferenceVariant variant : PreferenceVariant.all()) {
            for (int pairs : new int[] {4, 40}) {
                PreferenceCall call = variant.fit(PreferenceCall.random(pairs, 7));
                call.sums()[2] = Double.NaN;
                PreferenceCall.Left left = call.on(on, variant.options());
                assertThat(IntStream.range(0, pairs)
                                .filter(i -> Double.isNaN(left.losses()[i]))
                                .boxed())
                        .as("%s", variant)
                        .containsExactly(1);
                assertThat(Metric.LOSS.mean(left.metrics())).isNaN();
            }
        }
    }

    @OnEachDevice
    @Tag("small")
    void metricsMayBeLeftOut(On on) {
        PreferenceCall call = PreferenceCall.random(10, 8);
        PreferenceCall.Left without = call.withMetrics(null).on(on, SIGMOID);
        PreferenceCall.Left with = call.on(on, SIGMOID);
        Expect.sameBits("losses", without.lossBits(), with.lossBits());
        Expect.sameBits("d_sums", without.dSumBits(), with.dSumBits());
    }

    /**
     * Micro-batches of different sizes add up to the whole batch, because means are over pairs and tokens, not over
     * batches.
     */
    @OnEachDevice
    @Tag("small")
    void microBatchesAddUp(On on) {
        PreferenceCall call = PreferenceCall.random(11, 9);
        double[] whole = call.on(on, SIGMOID).metrics();
        double[] first = call.select(0, 1, 2).on(on, SIGMOID).metrics();
        double[] both = call.select(3, 4, 5, 6, 7, 8, 9, 10)
                .withMetrics(first)
                .on(on, SIGMOID)
                .metrics();
        for (Metric metric : Metric.values()) {
            assertThat(metric.count(both)).isEqualTo(metric.count(whole));
            if (metric.count(whole) > 0) {
                double allowed = Tolerance.doubles(22, 1000);
                Expect.near(
                        metric.name(),
                        new double[] {metric.mean(both)},
                        new double[] {metric.mean(whole)},
                        i -> allowed);
            }
        }
        assertThat(Metric.ENTROPY.count(whole)).isGreaterThan(22);
    }

    @OnEachDevice
    @Tag("small")
    void statisticsOfTokens(On on) {
        double[] statistics = new double[4 * TokenLogProb.STATISTICS];
        double[] entropy = {1, 2, 3, 4};
        for (int i = 0; i < 4; i++) {
            statistics[i * TokenLogProb.STATISTICS + Statistic.ENTROPY.ordinal()] = entropy[i];
            statistics[i * TokenLogProb.STATISTICS + Statistic.HIT.ordinal()] = i;
            statistics[i * TokenLogProb.STATISTICS + Statistic.MEAN_LOGIT.ordinal()] = 10 * i;
        }
        double[] metrics = new PreferenceCall(
                        new double[] {-1, -2, -3, -4},
                        null,
                        new int[] {1, 2, 3, 4},
                        statistics,
                        new double[PreferenceLoss.METRICS],
                        null,
                        1,
                        0)
                .on(on, SIGMOID)
                .metrics();
        assertThat(Metric.ENTROPY.mean(metrics)).isEqualTo(10 / 10.0);
        assertThat(Metric.TOKEN_ACCURACY.mean(metrics)).isEqualTo((0 + 2) / 4.0);
        assertThat(Metric.LOGIT_CHOSEN.mean(metrics)).isEqualTo((0 + 20) / 4.0);
        assertThat(Metric.LOGIT_REJECTED.mean(metrics)).isEqualTo((10 + 30) / 6.0);
        assertThat(Metric.KL.count(metrics)).isZero();
    }
}
