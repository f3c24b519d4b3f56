package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.testkit.AttentionLayout.plain;
import static org.dpo4j.testkit.AttentionLayout.shared;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.testkit.AttentionLayout;
import org.dpo4j.testkit.AttentionLayout.Family;
import org.junit.jupiter.api.Tag;

/**
 * Attention over more than one tile, for every tile shape. In bf16, head widths up to 64, 96, 128 and 256 have
 * different tiles, with 64 or 128 rows (queries times heads of the group) and 16, 32 or 64 columns. On Hopper, forward
 * has other tiles for exactly 64 and 128, with 128 rows and 128 columns; so the tests use 56 and 120 for the former
 * tiles.
 */
class AttentionTilesTest {
    /**
     * A prefix that crosses a tile's end, with three completions; completions of one token; prompts without
     * completions; exact multiples of tiles.
     */
    private static final List<Segment> FAMILIES =
            shared(new Family(37, 35, 1, 20), new Family(1, 1, 2), new Family(64, 32), new Family(16));

    @OnEachDTypeOfWidest
    void forwardOfEachTile(On on) {
        AttentionCheck.forward(on, new AttentionCall(1, 1, 64), FAMILIES, 1);
        AttentionCheck.forward(on, new AttentionCall(7, 1, 64).withStrides(8), FAMILIES, 1);
        AttentionCheck.forward(on, new AttentionCall(3, 3, 96), FAMILIES, 1);
        AttentionCheck.forward(on, new AttentionCall(4, 1, 128), FAMILIES, 1);
        AttentionCheck.forward(on, new AttentionCall(2, 1, 256), FAMILIES, 1);
        AttentionCheck.forward(on, new AttentionCall(7, 1, 56).withStrides(8), FAMILIES, 1);
        AttentionCheck.forward(on, new AttentionCall(4, 1, 120), FAMILIES, 1);
    }

    /**
     * Three and more tiles of 128 keys; prefixes that end within a tile and at its end; blocks of which half has no
     * rows.
     */
    @OnEachDTypeOfWidest
    void forwardOverWideTiles(On on) {
        AttentionCheck.forward(on, new AttentionCall(3, 1, 64).withStrides(8), plain(300, 22), 1);
        List<Segment> families = shared(new Family(150, 130, 9), new Family(128, 40));
        AttentionCheck.forward(on, new AttentionCall(2, 2, 64), families, 1);
        AttentionCheck.forward(on, new AttentionCall(2, 1, 128), families, 2);
    }

    /** More segments and key heads than a block reads at once, and segments without queries. */
    @OnEachDTypeOfWidest
    void forwardOverManyTiles(On on) {
        int[] lengths = IntStream.range(0, 70).map(i -> i == 66 ? 140 : i % 5).toArray();
        AttentionCheck.forward(on, new AttentionCall(10, 10, 64), plain(lengths), 1);
    }

    @OnEachDTypeOfWidest
    void backwardOfEachTile(On on) {
        AttentionCheck.backward(on, new AttentionCall(1, 1, 64), FAMILIES, 1);
        AttentionCheck.backward(on, new AttentionCall(7, 1, 64).withStrides(8), FAMILIES, 1);
        AttentionCheck.backward(on, new AttentionCall(3, 3, 96), FAMILIES, 1);
        AttentionCheck.backward(on, new AttentionCall(4, 1, 128), FAMILIES, 1);
        AttentionCheck.backward(on, new AttentionCall(2, 1, 256), FAMILIES, 1);
    }

    /** Scores of a hundred and more: one key has all the probability, and the test moves it from tile to tile. */
    @OnEachDTypeOfWidest
    void extremeScoresOverTiles(On on) {
        AttentionCheck.forward(on, new AttentionCall(2, 1, 128), plain(150), 4);
        AttentionCheck.backward(on, new AttentionCall(2, 1, 128), plain(100), 3);
    }

    /** Outputs have the same bits with the prompt once and before each completion, alone, and in another order. */
    @OnEachDTypeOfWidest
    void otherSequencesAndLayoutsMakeNoDifference(On on) {
        Family[] families = {new Family(70, 9, 40, 1), new Family(5, 3, 66)};
        layoutsAgree(on, new AttentionCall(4, 1, 120), families);
        layoutsAgree(on, new AttentionCall(4, 1, 128), families);
    }

    /** The same for prompts that end within a wide tile and at its end. */
    @OnEachDTypeOfWidest
    void layoutsOverWideTilesMakeNoDifference(On on) {
        layoutsAgree(on, new AttentionCall(2, 1, 128), new Family(150, 9, 140, 1), new Family(128, 3, 30));
        layoutsAgree(on, new AttentionCall(2, 2, 64), new Family(140, 5, 20), new Family(200, 60));
    }

    private static void layoutsAgree(On on, AttentionCall shape, Family... families) {
        List<Segment> shared = shared(families);
        int[] rows = AttentionLayout.sharedRowOfPlainRow(families);
        AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, AttentionLayout.rows(shared), 1);
        long[] ofShared = AttentionCheck.outputBits(on, shape, shared, inputs);
        int[] lengths = Arrays.stream(families)
                .flatMapToInt(family -> Arrays.stream(family.completions()).map(length -> family.prompt() + length))
                .toArray();
        long[] ofPlain = AttentionCheck.outputBits(on, shape, plain(lengths), inputs.select(shape, rows));
        AttentionCheck.sameRows(ofPlain, ofShared, rows, shape);
        int[] second = Arrays.copyOfRange(rows, lengths[0], lengths[0] + lengths[1]);
        AttentionCheck.sameRows(
                AttentionCheck.outputBits(on, shape, plain(lengths[1]), inputs.select(shape, second)),
                ofShared,
                second,
                shape);
    }

    /** One query after cached keys has the bits of the whole sequence. Keys that it does not attend to are NaN. */
    @OnEachDTypeOfWidest
    void queriesAfterCachedKeysEqualTheWhole(On on) {
        for (AttentionCall shape : List.of(new AttentionCall(2, 1, 128), new AttentionCall(3, 1, 64))) {
            int length = 270;
            AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, length, 1);
            long[] whole = AttentionCheck.outputBits(on, shape, plain(length), inputs);
            for (int row : new int[] {0, 127, 128, 200}) {
                AttentionCall.Inputs cached = AttentionCall.Inputs.random(shape, length, 1);
                Arrays.fill(cached.k(), (row + 1) * shape.kvWidth(), length * shape.kvWidth(), Double.NaN);
                Arrays.fill(cached.v(), (row + 1) * shape.kvWidth(), length * shape.kvWidth(), Double.NaN);
                int first = row * shape.width();
                int end = first + shape.width();
                long[] alone = AttentionCheck.outputBits(
                        on,
                        shape,
                        List.of(new Segment(0, 1, 0, row, 0, 0, 0)),
                        new AttentionCall.Inputs(Arrays.copyOfRange(cached.q(), first, end), cached.k(), cached.v()));
                Expect.sameBits("row " + row + " of " + shape, alone, Arrays.copyOfRange(whole, first, end));
            }
        }
    }

    /** Prefixes and completions of several tiles of keys. All tiles add to the same rows of d_q, in order. */
    @OnEachDTypeOfWidest
    @Tag("large")
    void backwardOverSeveralTilesOfKeys(On on) {
        List<Segment> families = shared(new Family(290, 140, 1, 70), new Family(128, 128), new Family(3, 130));
        AttentionCheck.backward(on, new AttentionCall(2, 1, 128), families, 1);
        AttentionCheck.backward(on, new AttentionCall(3, 1, 64).withStrides(8), families, 1);
        AttentionCheck.backward(
                on, new AttentionCall(6, 3, 64), shared(new Family(390, 40, 1), new Family(20, 131)), 1);
    }

    /** More heads of keys than are in flight at a time, over more tiles of keys than a few. */
    @OnEachBf16Device
    void backwardOfManyHeadsOverManySegments(On on) {
        List<Family> families = new ArrayList<>(List.of(new Family(140, 3)));
        families.addAll(Collections.nCopies(33, new Family(1)));
        AttentionCheck.backward(on, new AttentionCall(8, 8, 64), shared(families.toArray(Family[]::new)), 1);
    }

    /** Rows of no segment lie behind the last row of tiles that are not full. */
    @OnEachDTypeOfWidest
    void backwardBesideRowsOfNoSegment(On on) {
        Segment prompt = Segment.plain(0, 140, 2);
        List<Segment> segments = List.of(
                prompt,
                Segment.withPrefix(prompt, 143, 130),
                Segment.withPrefix(prompt, 276, 20),
                Segment.plain(299, 5, 0));
        for (int headWidth : new int[] {16, 64, 128}) {
            AttentionCheck.backward(on, new AttentionCall(2, 1, headWidth), segments, 1);
        }
    }

    /**
     * Gradients of a prompt and its completions have the same bits whatever the other sequences hold, and in every run.
     */
    @OnEachDTypeOfWidest
    void gradientsOfFamiliesDoNotDependOnOtherFamilies(On on) {
        List<Segment> families = shared(new Family(140, 135, 20), new Family(131, 3));
        int ofFirst = 295;
        for (AttentionCall shape : List.of(new AttentionCall(2, 1, 128), new AttentionCall(2, 2, 64))) {
            AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, AttentionLayout.rows(families), 1);
            long[][] clean = AttentionCheck.gradientBits(on, shape, families, inputs);
            Expect.sameBits("d_q again", AttentionCheck.gradientBits(on, shape, families, inputs)[0], clean[0]);
            AttentionCall.Inputs others = AttentionCall.Inputs.random(shape, AttentionLayout.rows(families), 1);
            Arrays.fill(others.q(), 0, ofFirst * shape.width(), Double.NaN);
            Arrays.fill(others.k(), 0, ofFirst * shape.kvWidth(), Double.POSITIVE_INFINITY);
            long[][] withOthers = AttentionCheck.gradientBits(on, shape, families, others);
            for (int i = 0; i < 3; i++) {
                int first = ofFirst * (i == 0 ? shape.width() : shape.kvWidth());
                Expect.sameBits(
                        "gradient %d of q, k, v, %s".formatted(i, shape),
                        Arrays.copyOfRange(withOthers[i], first, withOthers[i].length),
                        Arrays.copyOfRange(clean[i], first, clean[i].length));
            }
        }
    }

    /** Gradients do not depend on keys that a query does not attend to, also if these are NaN or infinite. */
    @OnEachDTypeOfWidest
    void gradientsOfWhatIsSeenAlone(On on) {
        gradientsOfWhatIsSeenAlone(on, new AttentionCall(4, 2, 64), 45, 20);
        gradientsOfWhatIsSeenAlone(on, new AttentionCall(2, 1, 128), 170, 150);
    }

    private static void gradientsOfWhatIsSeenAlone(On on, AttentionCall shape, int length, int half) {
        AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, length, 1);
        long[][] clean = AttentionCheck.gradientBits(on, shape, plain(length), inputs);

        AttentionCall.Inputs later = AttentionCall.Inputs.random(shape, length, 1);
        Arrays.fill(later.k(), half * shape.kvWidth(), length * shape.kvWidth(), Double.NaN);
        Arrays.fill(later.v(), half * shape.kvWidth(), length * shape.kvWidth(), Double.NEGATIVE_INFINITY);
        long[][] withLater = AttentionCheck.gradientBits(on, shape, plain(length), later);
        Expect.sameBits("d_q before", upTo(withLater[0], half * shape.width()), upTo(clean[0], half * shape.width()));

        AttentionCall.Inputs earlier = AttentionCall.Inputs.random(shape, length, 1);
        Arrays.fill(earlier.q(), 0, half * shape.width(), Double.POSITIVE_INFINITY);
        long[][] withEarlier = AttentionCheck.gradientBits(on, shape, plain(length), earlier);
        for (int i = 1; i < 3; i++) {
            int first = half * shape.kvWidth();
            Expect.sameBits(
                    "gradient " + i + " of q, k, v behind",
                    Arrays.copyOfRange(withEarlier[i], first, length * shape.kvWidth()),
                    Arrays.copyOfRange(clean[i], first, length * shape.kvWidth()));
        }
    }

    private static long[] upTo(long[] bits, int end) {
        return Arrays.copyOf(bits, end);
    }

    /** A NaN or infinity reaches every output that attends to it and no other. In v it reaches only its column. */
    @OnEachDTypeOfWidest
    void nonFiniteValuesReachEveryOutputThatAttendsToThem(On on) {
        AttentionCall shape = new AttentionCall(2, 1, 64);
        int length = 75;
        int bad = 66;
        int column = 13;
        AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, length, 1);
        inputs.v()[bad * shape.kvWidth() + column] = Double.POSITIVE_INFINITY;
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Forward call = shape.forward(tensors, on, plain(length), inputs);
            tensors.run(call::run);
            double[] out = call.out().values();
            for (int i = 0; i < out.length; i++) {
                boolean seen = i / shape.width() >= bad && i % shape.headWidth() == column;
                assertThat(Double.isFinite(out[i])).as("out[%d] is finite", i).isEqualTo(!seen);
            }
        }
        inputs.v()[bad * shape.kvWidth() + column] = 0;
        inputs.k()[bad * shape.kvWidth() + column] = Double.NaN;
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Backward call = shape.backward(tensors, on, plain(length), inputs);
            tensors.run(call::run);
            double[] dQ = call.dQ().values();
            for (int i = 0; i < dQ.length; i++) {
                assertThat(Double.isFinite(dQ[i])).as("d_q[%d] is finite", i).isEqualTo(i / shape.width() < bad);
            }
            assertThat(Arrays.stream(call.dK().values()))
                    .as("elements of d_k: every key is seen by a query that sees the NaN")
                    .noneMatch(Double::isFinite);
        }
    }
}
