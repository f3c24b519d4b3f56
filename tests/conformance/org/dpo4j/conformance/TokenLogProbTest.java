package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.Locale;
import org.dpo4j.conformance.TokenLogProbRun.Left;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.TokenLogProb.Statistic;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

/** Values and gradients of token log-probs, in every storage of logits and in every way to compute them. */
class TokenLogProbTest {
    private static final double NONE = Double.NEGATIVE_INFINITY;

    private static void check(On on, TokenLogProbCall call) {
        ExpectedTokenLogProb.everyWay(new TokenLogProbRun(on), call);
    }

    @OnEachLogitsType
    @Tag("small")
    void smallVocabularies(On on) {
        int[][] shapes = {{1, 1}, {3, 1}, {1, 2}, {5, 7}, {2, 8}, {4, 31}, {3, 64}, {2, 257}, {0, 8}};
        for (int[] shape : shapes) {
            check(on, TokenLogProbCall.random(shape[0], shape[1], 4));
        }
    }

    /** A masked row and its d_logprob may hold anything. */
    @OnEachLogitsType
    @Tag("small")
    void maskedRowsAndTargetsBeyondTheVocabulary(On on) {
        TokenLogProbCall call = TokenLogProbCall.random(9, 33, 4)
                .withTargets(-1, 0, 32, 33, -1, Integer.MAX_VALUE, 5, Integer.MIN_VALUE, -100);
        double[] anything = {Double.NaN, Double.POSITIVE_INFINITY, NONE};
        double[] dLogProb = new Draw(9).normal(9, 1);
        for (int row = 0; row < 9; row++) {
            if (call.targets()[row] < 0) {
                for (int j = 0; j < 33; j++) {
                    call.logits()[33 * row + j] = anything[(row + j) % 3];
                }
                dLogProb[row] = anything[row % 3];
            }
        }
        check(on, call.withGradient(dLogProb));
    }

    @OnEachLogitsType
    void largerVocabularies(On on) {
        int[][] shapes = {{3, 1000}, {2, 2048}, {2, 4096}, {2, 4097}, {1, 32_000}};
        for (int[] shape : shapes) {
            check(on, TokenLogProbCall.random(shape[0], shape[1], 4));
        }
    }

    /** Vocabularies of GPT-2, Llama 3, Qwen 2 and Gemma 2; then the max size that a path keeps on chip, and beyond. */
    @OnEachLogitsType
    @Tag("large")
    void vocabulariesOfRealModelsAndBeyond(On on) {
        for (int vocabulary : new int[] {50_257, 128_256, 151_936, 256_000, 700_001}) {
            check(on, TokenLogProbCall.random(1, vocabulary, 6));
        }
    }

    @OnEachLogitsType
    void extremes(On on) {
        double[] huge = new Draw(1).normal(5 * 40, 1);
        for (int i = 0; i < huge.length; i++) {
            huge[i] = (i % 3 == 0 ? 1e4 : -1e4) + 10 * huge[i];
        }
        check(on, TokenLogProbCall.of(huge, 0, 1, 2, 39, 20));
        double[] equal = new double[3 * 5000];
        Arrays.fill(equal, -1e4);
        check(on, TokenLogProbCall.of(equal, 0, 4999, 17));
        check(on, TokenLogProbCall.of(rising(5000, -1e4, 1e4), 0));
        check(on, TokenLogProbCall.of(rising(5000, 1e4, -1e4), 4999));
        check(on, TokenLogProbCall.of(rising(4099, -40, 40), 4000));
        check(on, TokenLogProbCall.of(rising(4099, -1e-3, 1e-3), 2000));
    }

    private static double[] rising(int count, double first, double last) {
        double[] values = new double[count];
        Arrays.setAll(values, i -> first + (last - first) * i / (count - 1));
        return values;
    }

    /**
     * Padding of a vocabulary by columns of -inf: the first, the last, some between, and all but one. A target with
     * logit -inf has log-prob -inf.
     */
    @OnEachLogitsType
    void columnsThatDoNotExist(On on) {
        for (int vocabulary : new int[] {5, 64, 700, 5000}) {
            double[] logits = new Draw(vocabulary).normal(4 * vocabulary, 3);
            Arrays.fill(logits, 0, vocabulary / 2, NONE);
            Arrays.fill(logits, vocabulary + vocabulary / 2, 2 * vocabulary, NONE);
            Arrays.fill(logits, 2 * vocabulary, 3 * vocabulary - 1, NONE);
            logits[3 * vocabulary + 1] = NONE;
            check(on, TokenLogProbCall.of(logits, vocabulary - 1, 0, vocabulary - 1, 1));
        }
    }

    /** If all logits are -inf, the lse is -inf, and all other results are NaN. */
    @OnEachLogitsType
    @Tag("small")
    void aRowOfMinusInfinity(On on) {
        for (int vocabulary : new int[] {1, 40, 5000}) {
            double[] logits = new double[2 * vocabulary];
            Arrays.fill(logits, 0, vocabulary, NONE);
            TokenLogProbCall call = TokenLogProbCall.of(logits, 0, 0);
            TokenLogProbRun run = new TokenLogProbRun(on);
            for (Left left : new Left[] {run.inTwoCalls(call), run.inOneCall(call)}) {
                Expect.exactly(
                        "logprob, lse", new double[] {left.logprob()[0], left.lse()[0]}, new double[] {Double.NaN, NONE
                        });
                assertThat(left.logitsRow(left.dLogits(), 0)).containsOnly(Double.NaN);
                assertThat(left.logprob()[1]).isFinite();
            }
        }
    }

    /** A NaN in a row makes all results and the gradient of this row NaN, and no other row. */
    @OnEachLogitsType
    @Tag("small")
    void aNanStaysInItsRow(On on) {
        TokenLogProbRun run = new TokenLogProbRun(on);
        TokenLogProbCall whole = TokenLogProbCall.random(3, 100, 4);
        for (int column : new int[] {0, 63, 99}) {
            TokenLogProbCall broken = whole.select(0, 1, 2);
            broken.logits()[100 + column] = Double.NaN;
            onlyTheSecondRowIsBroken(run.inTwoCalls(broken), run.inTwoCalls(whole), whole);
            onlyTheSecondRowIsBroken(run.inOneCall(broken), run.inOneCall(whole), whole);
        }
    }

    private static void onlyTheSecondRowIsBroken(Left left, Left whole, TokenLogProbCall call) {
        double[] statistics = left.statisticsRow(1);
        statistics[Statistic.HIT.ordinal()] = Double.NaN; // a comparison does not propagate NaN
        for (double[] numbers :
                new double[][] {{left.logprob()[1], left.lse()[1]}, statistics, left.logitsRow(left.dLogits(), 1)}) {
            assertThat(numbers).containsOnly(Double.NaN);
        }
        left.bits().sameRow("before NaN", call, 0, whole.bits(), call, 0);
        left.bits().sameRow("after NaN", call, 2, whole.bits(), call, 2);
    }

    /** d_logprob that is large, tiny, 0 or NaN. Errors stay relative to it, and 0 gives a gradient of 0. */
    @OnEachLogitsType
    @Tag("small")
    void gradientsOfAllSizes(On on) {
        double large = on.dtype() == DType.F16 ? 6e4 : 1e30;
        double tiny = on.dtype() == DType.F16 ? 1e-6 : 1e-30;
        TokenLogProbCall call = TokenLogProbCall.random(5, 70, 4).withGradient(large, -tiny, 0, -1, -0.0);
        check(on, call);
        TokenLogProbCall none = call.withGradient(1, Double.NaN, 1, 1, 1);
        TokenLogProbRun run = new TokenLogProbRun(on);
        for (Left left : new Left[] {run.inTwoCalls(none), run.inOneCall(none)}) {
            assertThat(left.logitsRow(left.dLogits(), 1)).containsOnly(Double.NaN);
            assertThat(left.logitsRow(left.dLogits(), 2)).doesNotContain(Double.NaN);
        }
    }

    @OnEachLogitsType
    @Tag("small")
    void gradientOfAnotherTypeThanTheLogits(On on) {
        for (DType dtype : DType.values()) {
            TokenLogProbRun run = new TokenLogProbRun(on).withGradients(dtype);
            for (int vocabulary : new int[] {1, 9, 300}) {
                TokenLogProbCall call = TokenLogProbCall.random(3, vocabulary, 4);
                ExpectedTokenLogProb.inTwoCalls(run, call);
                ExpectedTokenLogProb.inOneCall(run, call);
            }
        }
    }

    @OnEachLogitsType
    void gradientOfAnotherTypeOfLargeVocabularies(On on) {
        for (DType dtype : DType.values()) {
            TokenLogProbRun run = new TokenLogProbRun(on).withGradients(dtype);
            ExpectedTokenLogProb.inTwoCalls(run, TokenLogProbCall.random(1, 33_001, 4));
            ExpectedTokenLogProb.inOneCall(run, TokenLogProbCall.random(1, 151_937, 4));
        }
    }

    /** Compares with 60-digit values. The logits are exact in fp32. */
    @OnEachDevice
    @Tag("small")
    void golden(On on) {
        for (JsonNode each : Golden.read("token_logprob.json")) {
            double[] logits = Golden.numbers(each.get("logits"));
            int target = each.get("target").asInt();
            TokenLogProbCall call = TokenLogProbCall.of(logits, target);
            Left left = new TokenLogProbRun(on).inTwoCalls(call);
            goldenNumbers(each, left, logits, target);
            goldenGradient(each, left, logits, target);
        }
    }

    private static void goldenNumbers(JsonNode each, Left left, double[] logits, int target) {
        double[] actual = new double[2 + Statistic.values().length];
        double[] expected = new double[actual.length];
        double[] allowed = new double[actual.length];
        actual[0] = left.logprob()[0];
        expected[0] = Golden.number(each.get("logprob"));
        allowed[0] = Tolerance.logProb(logits, target);
        actual[1] = left.lse()[0];
        expected[1] = Golden.number(each.get("lse"));
        allowed[1] = Tolerance.lse(logits);
        for (Statistic statistic : Statistic.values()) {
            int at = 2 + statistic.ordinal();
            actual[at] = left.statistics()[statistic.ordinal()];
            expected[at] = Golden.number(each.get(statistic.name().toLowerCase(Locale.ROOT)));
            allowed[at] = ExpectedStatistics.allowed(statistic, logits, target);
        }
        Expect.near("logprob, lse, statistics of " + each, actual, expected, i -> allowed[i]);
    }

    private static void goldenGradient(JsonNode each, Left left, double[] logits, int target) {
        double lse = Golden.number(each.get("lse"));
        double g = left.dLogProb()[0];
        double[] expected = Golden.numbers(each.get("gradient"));
        Arrays.setAll(expected, j -> g * expected[j]);
        // The gradient was computed from the stored lse. An absolute error of an exponent is a relative error of its
        // exponential.
        double ofLse = Math.expm1(Math.abs(left.lse()[0] - lse));
        Expect.near(
                "d_logits of " + each,
                left.dLogits(),
                expected,
                j -> Tolerance.logProbBackward(logits[j], lse, g, j == target)
                        + Math.abs(g) * ofLse * Math.exp(logits[j] - lse)
                        + Float.MIN_NORMAL);
    }
}
