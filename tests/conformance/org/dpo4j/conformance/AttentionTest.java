package org.dpo4j.conformance;

import static org.dpo4j.testkit.AttentionLayout.plain;
import static org.dpo4j.testkit.AttentionLayout.shared;

import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.stream.IntStream;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.testkit.AttentionLayout;
import org.dpo4j.testkit.AttentionLayout.Family;
import org.junit.jupiter.api.Tag;

class AttentionTest {
    private static final List<Segment> PAIRS =
            shared(new Family(5, 3, 7), new Family(1, 1, 2), new Family(9), new Family(17, 11, 1), new Family(2, 6, 5));

    @OnEachDType
    @Tag("small")
    void forwardOverSequencesOfOddLengths(On on) {
        AttentionCheck.forward(on, new AttentionCall(1, 1, 8), plain(1), 1);
        AttentionCheck.forward(on, new AttentionCall(4, 2, 8), plain(1, 3, 2, 7, 1, 13), 1);
        AttentionCheck.forward(on, new AttentionCall(3, 3, 16), plain(5, 19), 1);
    }

    @OnEachDType
    @Tag("small")
    void forwardOverPairs(On on) {
        AttentionCheck.forward(on, new AttentionCall(4, 2, 8), PAIRS, 1);
        AttentionCheck.forward(on, new AttentionCall(4, 1, 24).withStrides(16), PAIRS, 1);
    }

    /** Runs the call on a new thread of the caller, which has not used the device before. */
    @OnEachDType
    void forwardOnAThreadOfItsOwn(On on) {
        AttentionCall shape = new AttentionCall(2, 1, 64);
        List<Segment> segments = shared(new Family(7, 6, 5));
        AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, AttentionLayout.rows(segments), 1);
        long[] expected = AttentionCheck.outputBits(on, shape, segments, inputs);
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Forward call = shape.forward(tensors, on, segments, inputs);
            Executor threads = task -> new Thread(task).start();
            tensors.run(device ->
                    CompletableFuture.runAsync(() -> call.run(device), threads).join());
            Expect.sameBits("out", call.out().bits(), expected);
        }
    }

    @OnEachDType
    void forwardOfEveryHeadWidth(On on) {
        for (int headWidth : new int[] {8, 24, 32, 40, 64, 72, 128, 136, 256}) {
            AttentionCheck.forward(on, new AttentionCall(2, 1, headWidth), shared(new Family(7, 6, 5)), 1);
        }
    }

    @OnEachDType
    void forwardOverLongSequences(On on) {
        AttentionCheck.forward(
                on,
                new AttentionCall(6, 2, 16).withStrides(8),
                shared(new Family(131, 70, 37), new Family(3, 65, 1)),
                1);
        AttentionCheck.forward(on, new AttentionCall(2, 2, 64), plain(150, 33), 1);
    }

    /** Scores of a hundred and more: one key has all the probability, and the other probabilities underflow. */
    @OnEachDType
    void forwardWithExtremeScores(On on) {
        AttentionCheck.forward(on, new AttentionCall(4, 2, 8), PAIRS, 12);
        AttentionCheck.forward(on, new AttentionCall(4, 2, 8), PAIRS, 1e-20);
    }

    /** A negative scale reverses the order of scores, and a scale of 0 makes all probabilities equal. */
    @OnEachDType
    void anyScale(On on) {
        for (float scale : new float[] {-0.375f, 0, 3}) {
            for (int headWidth : new int[] {16, 64, 128}) {
                AttentionCall shape = new AttentionCall(2, 1, headWidth).withScale(scale);
                AttentionCheck.forward(on, shape, shared(new Family(130, 9)), 0.5);
                AttentionCheck.backward(on, shape, plain(11, 3), 0.5);
            }
        }
    }

    @OnEachDType
    @Tag("small")
    void backwardOverPairs(On on) {
        AttentionCheck.backward(on, new AttentionCall(1, 1, 8), plain(1), 1);
        AttentionCheck.backward(on, new AttentionCall(4, 2, 8), plain(1, 3, 2, 7, 1, 13), 1);
        AttentionCheck.backward(on, new AttentionCall(4, 2, 8), PAIRS, 1);
        AttentionCheck.backward(on, new AttentionCall(4, 1, 24).withStrides(16), PAIRS, 1);
    }

    @OnEachDType
    void backwardOfEveryHeadWidth(On on) {
        for (int headWidth : new int[] {8, 24, 32, 40, 64, 72, 128, 136, 256}) {
            AttentionCheck.backward(on, new AttentionCall(2, 1, headWidth), shared(new Family(7, 6, 5)), 1);
        }
    }

    @OnEachDType
    void backwardOverLongSequences(On on) {
        AttentionCheck.backward(
                on,
                new AttentionCall(6, 2, 16).withStrides(8),
                shared(new Family(131, 70, 37), new Family(3, 65, 1)),
                1);
        AttentionCheck.backward(on, new AttentionCall(2, 2, 64), plain(150, 33), 1);
    }

    @OnEachDType
    void backwardWithExtremeScores(On on) {
        AttentionCheck.backward(on, new AttentionCall(4, 2, 8), PAIRS, 6);
    }

    /** Outputs have the same bits with the prompt once and twice. */
    @OnEachDType
    void sharedPrefixAndPlainLayoutAgree(On on) {
        Family[] families = {new Family(5, 3, 7), new Family(70, 9, 40), new Family(1, 1, 2)};
        AttentionCall shape = new AttentionCall(4, 2, 16);
        List<Segment> shared = shared(families);
        int[] rows = AttentionLayout.sharedRowOfPlainRow(families);
        AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, AttentionLayout.rows(shared), 1);
        long[] ofShared = AttentionCheck.outputBits(on, shape, shared, inputs);
        long[] ofPlain = AttentionCheck.outputBits(on, shape, plain(8, 12, 79, 110, 2, 3), inputs.select(shape, rows));
        AttentionCheck.sameRows(ofPlain, ofShared, rows, shape);
    }

    /** Outputs of a sequence have the same bits alone and among others in another order. */
    @OnEachDType
    void sequencesDoNotDependOnOtherSequences(On on) {
        AttentionCall shape = new AttentionCall(4, 2, 16);
        List<Segment> segments = plain(33, 70, 5);
        AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, 108, 1);
        long[] together = AttentionCheck.outputBits(on, shape, segments, inputs);
        int[] alone = IntStream.range(33, 103).toArray();
        AttentionCheck.sameRows(
                AttentionCheck.outputBits(on, shape, plain(70), inputs.select(shape, alone)), together, alone, shape);
        int[] reordered = IntStream.concat(IntStream.range(103, 108), IntStream.range(0, 103))
                .toArray();
        AttentionCheck.sameRows(
                AttentionCheck.outputBits(on, shape, plain(5, 33, 70), inputs.select(shape, reordered)),
                together,
                reordered,
                shape);
    }

    /** Gradients of a sequence have the same bits alone and among others. */
    @OnEachDType
    void gradientsOfSequencesDoNotDependOnOtherSequences(On on) {
        AttentionCall shape = new AttentionCall(4, 2, 16);
        AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, 80, 1);
        AttentionCall.Inputs others = AttentionCall.Inputs.random(shape, 80, 9);
        for (int kept = 0; kept < 80 * 64; kept++) {
            if (kept >= 33 * 64) {
                others.q()[kept] = inputs.q()[kept];
            }
            if (kept >= 33 * 32 && kept < 80 * 32) {
                others.k()[kept] = inputs.k()[kept];
                others.v()[kept] = inputs.v()[kept];
            }
        }
        List<Segment> segments = plain(33, 47);
        long[][] first = AttentionCheck.gradientBits(on, shape, segments, inputs);
        long[][] second = AttentionCheck.gradientBits(on, shape, segments, others);
        for (int i = 0; i < 3; i++) {
            int width = i == 0 ? 64 : 32;
            Expect.sameBits(
                    "gradient " + i + " of q, k, v",
                    Arrays.copyOfRange(second[i], 33 * width, 80 * width),
                    Arrays.copyOfRange(first[i], 33 * width, 80 * width));
        }
    }

    /** A token's output does not depend on later tokens, also if these are NaN, because it does not attend to them. */
    @OnEachDType
    void outputsDoNotDependOnLaterTokens(On on) {
        AttentionCall shape = new AttentionCall(4, 2, 16);
        AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, 45, 1);
        long[] whole = AttentionCheck.outputBits(on, shape, plain(45), inputs);
        int[] first = IntStream.range(0, 20).toArray();
        AttentionCheck.sameRows(
                AttentionCheck.outputBits(on, shape, plain(20), inputs.select(shape, first)), whole, first, shape);
        Arrays.fill(inputs.k(), 20 * 32, 45 * 32, Double.NaN);
        Arrays.fill(inputs.v(), 20 * 32, 45 * 32, Double.POSITIVE_INFINITY);
        long[] withOthers = AttentionCheck.outputBits(on, shape, plain(45), inputs);
        Expect.sameBits("rows before", Arrays.copyOf(withOthers, 20 * 64), Arrays.copyOf(whole, 20 * 64));
    }

    /** Queries run one at a time with cached keys give the bits of the whole sequence at once. */
    @OnEachDType
    void decodingRowByRowEqualsTheWhole(On on) {
        AttentionCall shape = new AttentionCall(4, 2, 16);
        int length = 41;
        AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, length, 1);
        long[] whole = AttentionCheck.outputBits(on, shape, plain(length), inputs);
        for (int row = 0; row < length; row += 5) {
            List<Segment> one = List.of(new Segment(0, 1, 0, row, 0, 0, 0));
            AttentionCall.Inputs cached = new AttentionCall.Inputs(
                    Arrays.copyOfRange(inputs.q(), row * 64, (row + 1) * 64), inputs.k(), inputs.v());
            long[] expected = Arrays.copyOfRange(whole, row * 64, (row + 1) * 64);
            Expect.sameBits("row " + row, AttentionCheck.outputBits(on, shape, one, cached), expected);
        }
    }

    /** Rows that belong to no segment are not written, and a segment without rows does nothing. */
    @OnEachDType
    @Tag("small")
    void rowsOfNoSegmentAreNotWritten(On on) {
        AttentionCall shape = new AttentionCall(2, 1, 8);
        List<Segment> segments = List.of(Segment.plain(2, 3, 0), Segment.plain(5, 0, 0), Segment.plain(7, 2, 0));
        AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, 12, 1);
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Forward call = shape.forward(tensors, on, segments, inputs);
            call.out().writes(row -> row >= 2 && row < 5 || row >= 7 && row < 9);
            call.lse().writes(row -> row >= 2 && row < 5 || row >= 7 && row < 9);
            tensors.run(call::run);
        }
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Forward call = shape.forward(tensors, on, List.of(), inputs);
            tensors.runEmpty(call::run);
        }
    }
}
