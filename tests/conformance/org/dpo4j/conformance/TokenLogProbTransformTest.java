package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import org.dpo4j.conformance.TokenLogProbRun.Left;
import org.dpo4j.kernels.DType;
import org.dpo4j.testkit.Draw;
import org.junit.jupiter.api.Tag;

/**
 * Bias, scale and soft cap of logits: results of the transformed logits, and the gradient with respect to the logits
 * before the transform.
 */
class TokenLogProbTransformTest {
    private static final double NONE = Double.NEGATIVE_INFINITY;

    /** Each alone and all together: the scales of Cohere and Granite, and the cap of Gemma 2. */
    private static List<LogitTransform> each(int vocabulary) {
        return List.of(
                LogitTransform.random(vocabulary, 2, 1, 0),
                new LogitTransform(null, 0.0625, 0),
                new LogitTransform(null, 1 / 0.13, 0),
                new LogitTransform(null, 1, 30),
                LogitTransform.random(vocabulary, 2, 0.7, 5),
                LogitTransform.random(vocabulary, 2, 3, 1e6));
    }

    private static void check(On on, TokenLogProbCall call) {
        for (LogitTransform transform : each(call.vocabulary())) {
            ExpectedTokenLogProb.everyWay(new TokenLogProbRun(on), call.withTransform(transform));
        }
    }

    @OnEachLogitsType
    @Tag("small")
    void smallVocabularies(On on) {
        int[][] shapes = {{1, 1}, {3, 2}, {5, 7}, {2, 8}, {4, 31}, {3, 64}, {2, 257}, {0, 8}};
        for (int[] shape : shapes) {
            check(on, TokenLogProbCall.random(shape[0], shape[1], 4));
        }
    }

    @OnEachLogitsType
    @Tag("large")
    void largerVocabularies(On on) {
        int[][] shapes = {{3, 1000}, {2, 4096}, {2, 4097}, {1, 50_257}};
        for (int[] shape : shapes) {
            check(on, TokenLogProbCall.random(shape[0], shape[1], 4));
        }
        LogitTransform all = LogitTransform.random(151_936, 1, 0.9, 20);
        ExpectedTokenLogProb.everyWay(
                new TokenLogProbRun(on), TokenLogProbCall.random(1, 151_936, 6).withTransform(all));
    }

    /** Logits far above the cap, whose gradient vanishes, and far below it, where the cap has no effect. */
    @OnEachLogitsType
    @Tag("small")
    void capsThatAreReachedAndThatAreNot(On on) {
        TokenLogProbCall huge = TokenLogProbCall.random(3, 70, 1e3);
        TokenLogProbCall tiny = TokenLogProbCall.random(3, 70, 1e-3);
        TokenLogProbRun run = new TokenLogProbRun(on);
        for (double cap : new double[] {1e-30, 0.5, 30, 1e30}) {
            ExpectedTokenLogProb.everyWay(run, huge.withTransform(new LogitTransform(null, 1, cap)));
            ExpectedTokenLogProb.everyWay(run, tiny.withTransform(new LogitTransform(null, 1, cap)));
        }
    }

    /** Columns with a logit or a bias of -inf are excluded from the softmax, and their gradient is 0. */
    @OnEachLogitsType
    void columnsThatDoNotExist(On on) {
        for (int vocabulary : new int[] {5, 64, 700, 5000}) {
            double[] logits = new Draw(vocabulary).normal(3 * vocabulary, 3);
            Arrays.fill(logits, 0, vocabulary / 2, NONE);
            Arrays.fill(logits, 2 * vocabulary - vocabulary / 2, 2 * vocabulary, NONE);
            TokenLogProbCall call = TokenLogProbCall.of(logits, vocabulary - 1, 0, 2);
            check(on, call);
            double[] bias = new Draw(1).normal(vocabulary, 1);
            bias[1] = NONE;
            bias[vocabulary - 2] = NONE;
            for (double cap : new double[] {0, 10}) {
                TokenLogProbCall masked = call.withTransform(new LogitTransform(bias, 1, cap));
                ExpectedTokenLogProb.everyWay(new TokenLogProbRun(on), masked);
                Left left = new TokenLogProbRun(on).inOneCall(masked);
                assertThat(left.logitsRow(left.dLogits(), 2)[1]).isZero();
            }
        }
    }

    @OnEachLogitsType
    @Tag("small")
    void gradientOfAnotherTypeThanTheLogits(On on) {
        for (DType dtype : DType.values()) {
            TokenLogProbRun run = new TokenLogProbRun(on).withGradients(dtype);
            TokenLogProbCall call =
                    TokenLogProbCall.random(3, 300, 4).withTransform(LogitTransform.random(300, 1, 1, 8));
            ExpectedTokenLogProb.inTwoCalls(run, call);
            ExpectedTokenLogProb.inOneCall(run, call);
        }
    }

    /** One call has the bits of two, with and without statistics, in any order of rows, and for single rows. */
    @OnEachLogitsType
    @Tag("small")
    void bits(On on) {
        for (int vocabulary : new int[] {7, 77, 600}) {
            TokenLogProbCall call = TokenLogProbCall.random(4, vocabulary, 4)
                    .withTransform(LogitTransform.random(vocabulary, 1, 0.8, 9));
            bits(on, call.withTargets(vocabulary - 1, -1, 0, 3));
        }
    }

    /** Rows that fit into one block, into a cluster, and into none. */
    @OnEachLogitsType
    void bitsOfLargeVocabularies(On on) {
        for (int vocabulary : new int[] {4097, 50_257, 151_936}) {
            bits(
                    on,
                    TokenLogProbCall.random(1, vocabulary, 4)
                            .withTransform(LogitTransform.random(vocabulary, 1, 0.8, 9)));
        }
    }

    private static void bits(On on, TokenLogProbCall call) {
        TokenLogProbRun run = new TokenLogProbRun(on);
        Left expected = run.inTwoCalls(call);
        for (Left left : List.of(run.inOneCall(call), run.withoutStatistics().inOneCall(call), run.forward(call))) {
            for (int row = 0; row < call.rows(); row++) {
                left.bits().sameRow("bits of " + call, call, row, expected.bits(), call, row);
            }
        }
        for (int row = 0; row < call.rows(); row++) {
            TokenLogProbCall alone = call.select(row);
            run.inOneCall(alone).bits().sameRow("alone", alone, 0, expected.bits(), call, row);
        }
    }
}
