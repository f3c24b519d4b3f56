package org.dpo4j.conformance;

import java.util.Arrays;
import org.dpo4j.conformance.TokenLogProbRun.Left;
import org.dpo4j.kernels.TokenLogProb.Statistic;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

/** Entropy, hit, mean logit and log weight in edge cases. TokenLogProbTest tests ordinary rows. */
class TokenLogProbStatisticsTest {
    private static final double NONE = Double.NEGATIVE_INFINITY;

    private static double[] of(Left left, Statistic statistic) {
        double[] values = new double[left.rows()];
        Arrays.setAll(values, row -> left.statisticsRow(row)[statistic.ordinal()]);
        return values;
    }

    private static double[] hits(On on, TokenLogProbCall call) {
        TokenLogProbRun run = new TokenLogProbRun(on);
        double[] hits = of(run.forward(call), Statistic.HIT);
        Expect.exactly("hits in one call", of(run.inOneCall(call), Statistic.HIT), hits);
        return hits;
    }

    /** If several columns have the max logit, only the first is a hit, at any place in the row. */
    @OnEachLogitsType
    @Tag("small")
    void hitsAtTies(On on) {
        for (int vocabulary : new int[] {2, 17, 64, 1000}) {
            tie(on, vocabulary, 0, vocabulary - 1);
            tie(on, vocabulary, vocabulary / 2 - 1, vocabulary / 2);
            tie(on, vocabulary, vocabulary / 3, vocabulary - 1);
        }
    }

    @OnEachLogitsType
    @Tag("large")
    void hitsAtTiesOfLargeVocabularies(On on) {
        for (int vocabulary : new int[] {4097, 50_257, 151_936}) {
            tie(on, vocabulary, 0, vocabulary - 1);
            tie(on, vocabulary, vocabulary / 2 - 1, vocabulary / 2);
            tie(on, vocabulary, vocabulary - 2, vocabulary - 1);
            tie(on, vocabulary, 8, 16);
        }
    }

    /** Two columns have the max logit. The targets are the first, the second and another column. */
    private static void tie(On on, int vocabulary, int first, int second) {
        double[] logits = new Draw(vocabulary).uniform(vocabulary, -9, 1);
        logits[first] = logits[second] = 2;
        double[] rows = new double[3 * vocabulary];
        Arrays.setAll(rows, i -> logits[i % vocabulary]);
        int beside = vocabulary == 2 ? second : first == 0 ? 1 : first - 1;
        double[] hits = hits(on, TokenLogProbCall.of(rows, first, second, beside));
        Expect.exactly("ties at %d and %d of %d".formatted(first, second, vocabulary), hits, new double[] {1, 0, 0});
    }

    /** -0.0 and 0.0 are equal, and the max logit may be close to the min number of fp16. */
    @OnEachLogitsType
    @Tag("small")
    void hitsOfOddLogits(On on) {
        double[] logits = {-0.0, 0.0, -1, -0.0, 0.0, -1, 0.0, -0.0, -1, NONE, NONE, -6e4, -6e4, NONE, NONE};
        double[] hits = hits(on, TokenLogProbCall.of(logits, 0, 1, 0, 2, 1));
        Expect.exactly("hits", hits, new double[] {1, 0, 1, 1, 0});
    }

    /** n equally likely columns, and probability 0 in the others. */
    @OnEachLogitsType
    @Tag("small")
    void equallyLikelyColumns(On on) {
        for (int alike : new int[] {1, 2, 8, 100}) {
            for (double logit : new double[] {0, -1e4, 3e4}) {
                double[] logits = new double[130];
                Arrays.fill(logits, logit);
                Arrays.fill(logits, 0, 130 - alike, NONE);
                Left left = new TokenLogProbRun(on).forward(TokenLogProbCall.of(logits, 129));
                double nats = Math.log(alike);
                // Sums of whole numbers are exact. Each statistic rounds once and takes a logarithm; the log weight
                // takes three.
                one(left, Statistic.ENTROPY, nats, 6 * Tolerance.U * nats);
                one(left, Statistic.HIT, alike == 1 ? 1 : 0, 0);
                one(left, Statistic.MEAN_LOGIT, left.logits()[129], Tolerance.roundings(alike) * Math.abs(logit));
                one(left, Statistic.LOG_WEIGHT, 0, 20 * Tolerance.U * nats);
            }
        }
    }

    private static void one(Left left, Statistic statistic, double expected, double allowed) {
        Expect.near(
                "%s of %s".formatted(statistic, left.logits()[129]),
                of(left, statistic),
                new double[] {expected},
                i -> allowed);
    }

    /** A target with all of the probability has entropy 0 and weight 1. A target with logit -infinity has weight 0. */
    @OnEachLogitsType
    @Tag("small")
    void oneColumnHasAllProbability(On on) {
        double[] logits = new double[3 * 40];
        Arrays.fill(logits, -1e4);
        logits[7] = logits[40 + 7] = logits[80 + 7] = 1e4;
        logits[80 + 8] = NONE;
        Left left = new TokenLogProbRun(on).forward(TokenLogProbCall.of(logits, 7, 8, 8));
        Expect.exactly("entropy", of(left, Statistic.ENTROPY), new double[3]);
        double distance = left.logits()[8] - left.logits()[7];
        Expect.exactly("log weight", of(left, Statistic.LOG_WEIGHT), new double[] {0, distance, NONE});
    }

    /** Log-probs, lse and gradients have the same bits with and without statistics. */
    @OnEachLogitsType
    void statisticsChangeNoOtherBits(On on) {
        TokenLogProbRun with = new TokenLogProbRun(on);
        for (int vocabulary : new int[] {1, 7, 64, 1000, 5000, 50_257}) {
            TokenLogProbCall call = TokenLogProbCall.random(3, vocabulary, 4);
            same(
                    "in two calls",
                    call,
                    with.inTwoCalls(call),
                    with.withoutStatistics().inTwoCalls(call));
            same(
                    "in one call",
                    call,
                    with.inOneCall(call),
                    with.withoutStatistics().inOneCall(call));
        }
        TokenLogProbCall call = TokenLogProbCall.random(1, 300_001, 4);
        same("forward", call, with.forward(call), with.withoutStatistics().forward(call));
    }

    private static void same(String how, TokenLogProbCall call, Left with, Left without) {
        for (int row = 0; row < call.rows(); row++) {
            with.bits().sameRow("%s of %s".formatted(how, call), call, row, without.bits(), call, row);
        }
    }
}
