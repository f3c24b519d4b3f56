package org.dpo4j.conformance;

import java.util.Arrays;
import org.dpo4j.conformance.TokenLogProbRun.Left;
import org.dpo4j.kernels.DType;
import org.junit.jupiter.api.Tag;

/** Forward and backward in one call give the bits of two calls, wherever the row is kept between its two reads. */
class TokenLogProbForwardBackwardTest {

    private static void same(String how, TokenLogProbCall call, Left left, Left expected) {
        for (int row = 0; row < call.rows(); row++) {
            left.bits().sameRow("%s of %s".formatted(how, call), call, row, expected.bits(), call, row);
        }
    }

    private static void check(On on, TokenLogProbCall call) {
        for (DType dtype : DType.values()) {
            TokenLogProbRun run = new TokenLogProbRun(on).withGradients(dtype);
            same("one call", call, run.inOneCall(call), run.inTwoCalls(call));
        }
        TokenLogProbRun without = new TokenLogProbRun(on).withoutStatistics();
        same("one call without statistics", call, without.inOneCall(call), without.inTwoCalls(call));
    }

    @OnEachLogitsType
    @Tag("small")
    void bitsOfTwoCalls(On on) {
        TokenLogProbCall ordinary = TokenLogProbCall.random(6, 77, 4);
        check(on, ordinary.withTargets(0, -1, 77, 76, -5, 40));
        check(on, TokenLogProbCall.random(2, 1, 4));
        check(on, TokenLogProbCall.random(2, 7, 4));
        check(on, ordinary.scattered(9, 8, 0, 3, 4, 1, 2));
    }

    /**
     * Rows, in fp32 and 16 bits, that fit into the shared memory of a block, of clusters of 2, 4 and 8 blocks, and of
     * none; and parts of 48 KiB, which a block has without opting in to more.
     */
    @OnEachLogitsType
    void bitsOfTwoCallsOfLargeVocabularies(On on) {
        for (int vocabulary : new int[] {4096, 4097, 24_576, 32_000, 49_152, 50_257, 65_537, 151_936}) {
            check(on, TokenLogProbCall.random(1, vocabulary, 4));
        }
        TokenLogProbCall beyond = TokenLogProbCall.random(1, 1_000_003, 4);
        TokenLogProbRun run = new TokenLogProbRun(on);
        same("one call", beyond, run.inOneCall(beyond), run.inTwoCalls(beyond));
    }

    /** Without a d_logprob array, d_logprob is 1. */
    @OnEachLogitsType
    @Tag("small")
    void noGradientIsOne(On on) {
        for (int vocabulary : new int[] {1, 7, 100, 1000}) {
            noGradientIsOne(on, TokenLogProbCall.random(3, vocabulary, 4));
        }
    }

    @OnEachLogitsType
    void noGradientIsOneOfLargeVocabularies(On on) {
        noGradientIsOne(on, TokenLogProbCall.random(2, 50_257, 4));
    }

    private static void noGradientIsOne(On on, TokenLogProbCall random) {
        double[] ones = new double[random.rows()];
        Arrays.fill(ones, 1);
        TokenLogProbCall given = random.withGradient(ones);
        TokenLogProbCall notGiven = random.withUnitGradient();
        TokenLogProbRun run = new TokenLogProbRun(on);
        ExpectedTokenLogProb.inOneCall(run, notGiven);
        same("gradient left out", given, run.inOneCall(notGiven), run.inOneCall(given));
    }
}
