package org.dpo4j.conformance;

import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.junit.jupiter.api.Tag;

/**
 * Calls with more short rows than the device has blocks at the same time. Then a block computes several rows one after
 * another. The emulated device has four blocks, or two clusters of two.
 */
class TokenLogProbRowsTest {

    /** The same call with the targets of these rows masked, or beyond the vocabulary if the number is negative. */
    private static TokenLogProbCall leaveOut(TokenLogProbCall call, int... rows) {
        int[] targets = call.targets().clone();
        Arrays.stream(rows).forEach(row -> targets[Math.abs(row)] = row < 0 ? call.vocabulary() : -1);
        return call.withTargets(targets);
    }

    private static void check(On on, TokenLogProbCall call) {
        ExpectedTokenLogProb.everyWay(new TokenLogProbRun(on), call);
    }

    /** One warp and two, one tile per thread and several, with and without columns after the last vector. */
    @OnEachLogitsType
    @Tag("small")
    void severalRowsOfABlock(On on) {
        for (int vocabulary : new int[] {50, 512, 517, 2051}) {
            check(on, TokenLogProbCall.random(9, vocabulary, 4));
        }
    }

    @OnEachLogitsType
    void severalRowsOfALargerBlock(On on) {
        check(on, TokenLogProbCall.random(9, 4101, 4));
        check(on, TokenLogProbCall.random(6, 8195, 4));
    }

    /** The first row of a block is not read, the last, one between, and all of them. Block 0 has rows 0, 4 and 8. */
    @OnEachLogitsType
    @Tag("small")
    void rowsThatAreNotRead(On on) {
        TokenLogProbCall call = TokenLogProbCall.random(11, 600, 4);
        for (int[] rows : new int[][] {{0, -1}, {8, -9, 10}, {4, -5, 6, 7}, {1, -5, 9, 2, 6, 10}}) {
            check(on, leaveOut(call, rows));
        }
        check(on, leaveOut(call, 0, 4, -8).scattered(13, 12, 0, 3, 5, 1, 7, 9, 2, 4, 6, 8));
    }

    /** More rows than a block lists at a time. */
    @OnEachLogitsType
    @Tag("small")
    void moreRowsThanAreListed(On on) {
        check(on, leaveOut(TokenLogProbCall.random(131, 40, 4), 0, 4, -5, 127, 128, -130));
    }

    /** In fp32 a cluster of two blocks has one row of this size, in 16 bits it has several. */
    @OnEachLogitsType
    void severalRowsOfACluster(On on) {
        TokenLogProbCall call = leaveOut(TokenLogProbCall.random(5, 28_003, 4), 2);
        TokenLogProbRun run = new TokenLogProbRun(on).withoutStatistics();
        ExpectedTokenLogProb.inOneCall(run, call);
    }

    /** A gradient of 16 bits over its own fp32 logits, of several rows of a block. */
    @OnEachDevice
    @Tag("small")
    void narrowedInPlace(On on) {
        TokenLogProbCall call = leaveOut(TokenLogProbCall.random(9, 1203, 4), 4, -5);
        for (DType dtype : new DType[] {DType.BF16, DType.F16}) {
            TokenLogProbRun run = new TokenLogProbRun(on, DType.F32, dtype, true);
            TokenLogProbRun.Bits expected = run.inTwoCalls(call).bits();
            TokenLogProbRun.Bits narrowed = run.narrowedInPlace(call);
            for (int row = 0; row < call.rows(); row++) {
                narrowed.sameRow("narrowed", call, row, expected, call, row);
            }
        }
    }
}
