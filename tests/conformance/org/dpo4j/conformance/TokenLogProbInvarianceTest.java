package org.dpo4j.conformance;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.dpo4j.conformance.TokenLogProbRun.Left;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.testkit.Draw;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A row has the same bits alone, among others, in any order of them, at any place of a larger tensor, with rows further
 * apart, and on any number of threads. {@link Tensors#run} tests in every test that a repeated call has the same bits,
 * on {@code cpu} with one thread instead of three.
 */
class TokenLogProbInvarianceTest {

    /** A way to compute all results of a call. */
    private interface Way {
        Left run(TokenLogProbRun run, TokenLogProbCall call);
    }

    private static final Way[] WAYS = {TokenLogProbRun::inTwoCalls, TokenLogProbRun::inOneCall};

    /** Fails unless row i of a call has the bits of row {@code order[i]} of the whole call. */
    private static void same(
            String what, TokenLogProbCall call, Left left, TokenLogProbCall whole, Left together, int... order) {
        for (int row = 0; row < order.length; row++) {
            left.bits().sameRow("%s of %s".formatted(what, call), call, row, together.bits(), whole, order[row]);
        }
    }

    private static int[] inOrder(int rows) {
        return IntStream.range(0, rows).toArray();
    }

    private static void check(On on, TokenLogProbCall whole) {
        int rows = whole.rows();
        int[] order = new Draw(3).permutation(rows);
        int[] first = Arrays.copyOf(order, rows / 2);
        TokenLogProbRun run = new TokenLogProbRun(on);
        for (Way way : WAYS) {
            Left together = way.run(run, whole);
            TokenLogProbCall shuffled = whole.select(order);
            same("other order", shuffled, way.run(run, shuffled), whole, together, order);
            TokenLogProbCall half = whole.select(first);
            same("some of them", half, way.run(run, half), whole, together, first);
            TokenLogProbCall scattered = shuffled.scattered(rows + 3, new Draw(4).permutation(rows));
            same("row index", scattered, way.run(run, scattered), whole, together, order);
            TokenLogProbCall wider = whole.withGap(3);
            same("other stride", wider, way.run(run, wider), whole, together, inOrder(rows));
            for (int row = 0; row < rows; row += 4) {
                TokenLogProbCall alone = whole.select(row);
                same("alone", alone, way.run(run, alone), whole, together, row);
            }
        }
    }

    @OnEachLogitsType
    @Tag("small")
    void rowsDoNotDependOnOtherRows(On on) {
        for (int vocabulary : new int[] {1, 33, 400}) {
            TokenLogProbCall call = TokenLogProbCall.random(9, vocabulary, 4);
            call.targets()[5] = -1;
            check(on, call);
        }
    }

    @OnEachLogitsType
    @Tag("large")
    void rowsOfLargeVocabulariesDoNotDependOnOtherRows(On on) {
        TokenLogProbCall call = TokenLogProbCall.random(13, 5000, 4);
        call.targets()[5] = -1;
        check(on, call);
        check(on, TokenLogProbCall.random(2, 66_000, 4));
    }

    /** Enough rows for all threads, and one row that threads might divide among themselves. */
    @ParameterizedTest
    @EnumSource
    void threadsOfTheProcessorDoNotMatter(DType dtype) {
        for (TokenLogProbCall call :
                new TokenLogProbCall[] {TokenLogProbCall.random(64, 3000, 4), TokenLogProbCall.random(1, 100_000, 4)}) {
            for (Way way : WAYS) {
                Left alone = onThreads(1, dtype, way, call);
                for (int threads : new int[] {2, 5, 16}) {
                    Left left = onThreads(threads, dtype, way, call);
                    same(threads + " threads", call, left, call, alone, inOrder(call.rows()));
                }
            }
        }
    }

    private static Left onThreads(int threads, DType dtype, Way way, TokenLogProbCall call) {
        try (Device device = Devices.cpu(threads)) {
            return way.run(new TokenLogProbRun(new On("cpu", device, device, dtype)), call);
        }
    }
}
