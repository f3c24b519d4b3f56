package org.dpo4j.conformance;

import org.dpo4j.conformance.TokenLogProbRun.Left;
import org.junit.jupiter.api.Tag;

/**
 * Calls with a row index. Rows of logits that the index does not name are NaN before the call and must be NaN after it,
 * because they are neither read nor written.
 */
class TokenLogProbRowIndexTest {
    /** The row of logits of each of five rows: in order, in another order, and far apart. */
    private static final int[][] PLACES = {{0, 1, 2, 3, 4}, {3, 0, 4, 1, 2}, {11, 2, 7, 5, 0}};

    private static TokenLogProbCall five(int vocabulary) {
        TokenLogProbCall call = TokenLogProbCall.random(5, vocabulary, 4);
        call.targets()[1] = -1;
        call.targets()[3] = vocabulary;
        return call;
    }

    private static TokenLogProbCall scattered(TokenLogProbCall call, int... places) {
        int rows = places[0] == 11 ? 12 : 5;
        return call.scattered(rows, places);
    }

    @OnEachLogitsType
    @Tag("small")
    void values(On on) {
        for (int[] places : PLACES) {
            ExpectedTokenLogProb.everyWay(new TokenLogProbRun(on), scattered(five(33), places));
        }
    }

    /** Results have the bits of the same rows packed without an index. */
    @OnEachLogitsType
    @Tag("small")
    void bitsAreThoseOfPackedRows(On on) {
        for (int vocabulary : new int[] {1, 40, 333}) {
            same(on, five(vocabulary));
        }
    }

    @OnEachLogitsType
    void bitsAreThoseOfPackedRowsOfLargeVocabularies(On on) {
        same(on, five(5000));
        same(on, five(33_001));
    }

    private static void same(On on, TokenLogProbCall call) {
        TokenLogProbRun run = new TokenLogProbRun(on);
        Left inTwo = run.inTwoCalls(call);
        Left inOne = run.inOneCall(call);
        for (int[] places : PLACES) {
            TokenLogProbCall scattered = scattered(call, places);
            Left scatteredInTwo = run.inTwoCalls(scattered);
            Left scatteredInOne = run.inOneCall(scattered);
            for (int row = 0; row < call.rows(); row++) {
                scatteredInTwo.bits().sameRow("in two calls", scattered, row, inTwo.bits(), call, row);
                scatteredInOne.bits().sameRow("in one call", scattered, row, inOne.bits(), call, row);
            }
        }
    }

    /** An index of 0 rows reads and writes nothing. */
    @OnEachLogitsType
    @Tag("small")
    void noRows(On on) {
        TokenLogProbCall none = TokenLogProbCall.random(0, 9, 4).scattered(3);
        ExpectedTokenLogProb.everyWay(new TokenLogProbRun(on), none);
    }
}
