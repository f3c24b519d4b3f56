package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.testkit.AttentionLayout.plain;
import static org.dpo4j.testkit.AttentionLayout.shared;

import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.testkit.AttentionLayout;
import org.dpo4j.testkit.AttentionLayout.Family;
import org.junit.jupiter.api.Tag;

/** Attention with a sliding window and with a soft cap of the scores. */
class AttentionLimitsTest {
    private static final List<Segment> PAIRS =
            shared(new Family(5, 3, 7), new Family(1, 1, 2), new Family(9), new Family(17, 11, 1), new Family(2, 6, 5));

    /** A prefix that crosses a tile's end, and completions whose windows begin in it. */
    private static final List<Segment> FAMILIES =
            shared(new Family(37, 35, 1, 20), new Family(1, 1, 2), new Family(64, 32));

    /** Several tiles of 128 keys. Prefixes end within a tile and at its end. */
    private static final List<Segment> WIDE = shared(new Family(150, 130, 9), new Family(128, 40));

    /** Head widths with tiles of their own (AttentionTilesTest). */
    private static final List<AttentionCall> TILES = List.of(
            new AttentionCall(3, 1, 56),
            new AttentionCall(2, 1, 64),
            new AttentionCall(2, 2, 96),
            new AttentionCall(2, 1, 120),
            new AttentionCall(3, 1, 128),
            new AttentionCall(2, 1, 256));

    private static void both(On on, AttentionCall shape, List<Segment> segments, double size) {
        AttentionCheck.forward(on, shape, segments, size);
        AttentionCheck.backward(on, shape, segments, size);
    }

    @OnEachDTypeOfWidest
    @Tag("small")
    void windowsOverPairs(On on) {
        for (int window : new int[] {1, 7, 40}) {
            both(on, new AttentionCall(4, 2, 8).withWindow(window), PAIRS, 1);
            both(on, new AttentionCall(3, 1, 24).withStrides(8).withWindow(window), plain(1, 3, 17, 5), 1);
        }
    }

    /** A part of the tests below, which are tagged large. */
    @OnEachDTypeOfWidest
    void aWindowOnEachKernel(On on) {
        List<Segment> segments = shared(new Family(150, 130, 9));
        both(on, new AttentionCall(2, 1, 128).withWindow(40), segments, 1);
        both(on, new AttentionCall(1, 1, 64).withWindow(129), segments, 1);
        both(on, new AttentionCall(1, 1, 120).withWindow(50).withSoftCap(2), plain(150), 1);
    }

    /** Windows shorter and longer than a tile, and multiples of it. */
    @OnEachDTypeOfWidest
    @Tag("large")
    void windowsOverEachTile(On on) {
        for (AttentionCall shape : TILES) {
            both(on, shape.withWindow(21), FAMILIES, 1);
        }
        both(on, new AttentionCall(4, 2, 16).withWindow(64), plain(150, 33), 1);
        both(on, new AttentionCall(4, 2, 16).withWindow(32), plain(150, 33), 1);
    }

    /** The tiles that Hopper's kernels skip, at both ends of a window and between a prompt and its completions. */
    @OnEachDTypeOfWidest
    @Tag("large")
    void windowsOverWideTiles(On on) {
        for (int window : new int[] {1, 128}) {
            both(on, new AttentionCall(2, 1, 128).withWindow(window), WIDE, 1);
        }
        both(on, new AttentionCall(2, 2, 64).withWindow(170), WIDE, 1);
        both(on, new AttentionCall(3, 1, 64).withStrides(8).withWindow(129), plain(300, 22), 1);
        both(on, new AttentionCall(2, 1, 64).withWindow(60), shared(new Family(390, 40, 1), new Family(20, 131)), 1);
    }

    /** Scores up to several times the cap. */
    @OnEachDTypeOfWidest
    @Tag("large")
    void softCaps(On on) {
        both(on, new AttentionCall(4, 2, 8).withSoftCap(1.5f), PAIRS, 1.5);
        both(on, new AttentionCall(4, 2, 8).withSoftCap(50), PAIRS, 6);
        both(on, new AttentionCall(2, 1, 16).withScale(-0.4f).withSoftCap(2), plain(70), 1);
        both(on, new AttentionCall(2, 1, 16).withScale(0).withSoftCap(2), plain(11, 3), 1);
        both(on, TILES.get(1).withSoftCap(1.5f), FAMILIES, 1);
        both(on, new AttentionCall(2, 1, 128).withSoftCap(1), shared(new Family(150, 9)), 1);
    }

    @OnEachDTypeOfWidest
    void softCapsInWindows(On on) {
        for (AttentionCall shape : TILES) {
            both(on, shape.withSoftCap(2).withWindow(9), FAMILIES, 1);
        }
        both(on, new AttentionCall(2, 1, 64).withSoftCap(2).withWindow(100), WIDE, 1);
    }

    /** A window of all keys has the bits of none, forward and backward. */
    @OnEachDTypeOfWidest
    @Tag("large")
    void aWindowOfAllKeysHidesNothing(On on) {
        List<Segment> segments = shared(new Family(140, 9, 30), new Family(3, 1));
        for (AttentionCall shape : List.of(new AttentionCall(4, 2, 16), TILES.get(1), TILES.get(4))) {
            AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, AttentionLayout.rows(segments), 1);
            long[] out = AttentionCheck.outputBits(on, shape, segments, inputs);
            long[][] gradients = AttentionCheck.gradientBits(on, shape, segments, inputs);
            for (int window : new int[] {170, Integer.MAX_VALUE}) {
                AttentionCall other = shape.withWindow(window);
                Expect.sameBits("out of " + other, AttentionCheck.outputBits(on, other, segments, inputs), out);
                long[][] same = AttentionCheck.gradientBits(on, other, segments, inputs);
                for (int i = 0; i < 3; i++) {
                    Expect.sameBits("gradient " + i + " of q, k, v, " + other, same[i], gradients[i]);
                }
            }
            AttentionCall shorter = shape.withWindow(169);
            assertThat(AttentionCheck.outputBits(on, shorter, segments, inputs)).isNotEqualTo(out);
        }
    }

    /** Outputs have the same bits with the prompt once and before each completion. */
    @OnEachDTypeOfWidest
    @Tag("large")
    void sharedPrefixAndPlainLayoutAgree(On on) {
        Family[] families = {new Family(150, 9, 140, 1), new Family(5, 3, 66)};
        List<Segment> shared = shared(families);
        int[] rows = AttentionLayout.sharedRowOfPlainRow(families);
        int[] lengths = {159, 290, 151, 8, 71};
        for (AttentionCall shape : List.of(new AttentionCall(4, 2, 16), TILES.get(1), TILES.get(3), TILES.get(4))) {
            for (int window : new int[] {3, 130}) {
                AttentionCall call = shape.withWindow(window).withSoftCap(3);
                AttentionCall.Inputs inputs = AttentionCall.Inputs.random(call, AttentionLayout.rows(shared), 1);
                AttentionCheck.sameRows(
                        AttentionCheck.outputBits(on, call, plain(lengths), inputs.select(call, rows)),
                        AttentionCheck.outputBits(on, call, shared, inputs),
                        rows,
                        call);
            }
        }
    }

    /** One query after cached keys has the bits of the whole sequence. Keys that it does not attend to are NaN. */
    @OnEachDTypeOfWidest
    void decodingInAWindowEqualsTheWhole(On on) {
        int length = 270;
        int window = 100;
        for (AttentionCall plain : List.of(new AttentionCall(4, 2, 16), TILES.get(4), TILES.get(1))) {
            AttentionCall shape = plain.withWindow(window);
            AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, length, 1);
            long[] whole = AttentionCheck.outputBits(on, shape, plain(length), inputs);
            for (int row : new int[] {0, 99, 100, 127, 228}) {
                AttentionCall.Inputs cached = AttentionCall.Inputs.random(shape, length, 1);
                hide(cached, shape, 0, Math.max(0, row + 1 - window), Double.NaN);
                hide(cached, shape, row + 1, length, Double.NaN);
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

    private static void hide(AttentionCall.Inputs inputs, AttentionCall shape, int first, int end, double value) {
        Arrays.fill(inputs.k(), first * shape.kvWidth(), end * shape.kvWidth(), value);
        Arrays.fill(inputs.v(), first * shape.kvWidth(), end * shape.kvWidth(), value);
    }

    /**
     * Keys that are not finite change neither outputs nor gradients of queries whose window begins later. Queries that
     * are not finite change no gradients of keys that they do not attend to. The number of keys is not a multiple of
     * any tile, so some are in a tile of which a query sees others.
     */
    @OnEachDTypeOfWidest
    @Tag("large")
    void whatAWindowHidesMayBeAnything(On on) {
        int window = 45;
        int hidden = 75;
        List<Segment> segments = shared(new Family(130, 70, 8));
        int rows = AttentionLayout.rows(segments);
        for (AttentionCall plain : List.of(new AttentionCall(4, 2, 16), TILES.get(1), TILES.get(4), TILES.get(5))) {
            AttentionCall shape = plain.withWindow(window);
            AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, rows, 1);
            AttentionCall.Inputs other = AttentionCall.Inputs.random(shape, rows, 1);
            hide(other, shape, 0, hidden, Double.NaN);
            hide(other, shape, 3, 9, Double.NEGATIVE_INFINITY);
            int firstClean = (hidden - 1 + window) * shape.width();
            Expect.sameBits(
                    "out, " + shape,
                    from(AttentionCheck.outputBits(on, shape, segments, other), firstClean),
                    from(AttentionCheck.outputBits(on, shape, segments, inputs), firstClean));
            long[][] clean = AttentionCheck.gradientBits(on, shape, segments, inputs);
            Expect.sameBits(
                    "d_q, " + shape,
                    from(AttentionCheck.gradientBits(on, shape, segments, other)[0], firstClean),
                    from(clean[0], firstClean));
            AttentionCall.Inputs later = AttentionCall.Inputs.random(shape, rows, 1);
            // The first completion from its 20th token on, whose position is 150.
            Arrays.fill(later.q(), 150 * shape.width(), 200 * shape.width(), Double.POSITIVE_INFINITY);
            long[][] withLater = AttentionCheck.gradientBits(on, shape, segments, later);
            int lastClean = (150 + 1 - window) * shape.kvWidth();
            for (int i = 1; i < 3; i++) {
                Expect.sameBits(
                        "gradient " + i + " of q, k, v, " + shape,
                        Arrays.copyOf(withLater[i], lastClean),
                        Arrays.copyOf(clean[i], lastClean));
            }
        }
    }

    private static long[] from(long[] bits, int begin) {
        return Arrays.copyOfRange(bits, begin, bits.length);
    }

    /** Gradients in a window have the same bits whatever the other sequences hold, and in every run. */
    @OnEachDTypeOfWidest
    @Tag("large")
    void gradientsDoNotDependOnOtherSequences(On on) {
        List<Segment> families = shared(new Family(140, 135, 20), new Family(131, 3));
        int ofFirst = 295;
        int rows = AttentionLayout.rows(families);
        for (AttentionCall plain : List.of(TILES.get(1), TILES.get(4))) {
            AttentionCall shape = plain.withWindow(50);
            AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, rows, 1);
            long[][] clean = AttentionCheck.gradientBits(on, shape, families, inputs);
            Expect.sameBits("d_q again", AttentionCheck.gradientBits(on, shape, families, inputs)[0], clean[0]);
            AttentionCall.Inputs others = AttentionCall.Inputs.random(shape, rows, 1);
            Arrays.fill(others.q(), 0, ofFirst * shape.width(), Double.NaN);
            hide(others, shape, 0, ofFirst, Double.POSITIVE_INFINITY);
            long[][] withOthers = AttentionCheck.gradientBits(on, shape, families, others);
            for (int i = 0; i < 3; i++) {
                int first = ofFirst * (i == 0 ? shape.width() : shape.kvWidth());
                Expect.sameBits(
                        "gradient %d of q, k, v, %s".formatted(i, shape),
                        from(withOthers[i], first),
                        from(clean[i], first));
            }
        }
    }

    /**
     * With a window of one key, a block of queries sees at most three tiles of keys, and without one up to 32 of them, so full
     * attention takes several times as long. Half of its time leaves room for a busy machine.
     */
    @OnEachDTypeOfWidest
    @Tag("large")
    void aWindowSkipsTheTilesThatItHides(On on) {
        List<Segment> segments = plain(1024);
        AttentionCall shape = new AttentionCall(1, 1, 16);
        AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, AttentionLayout.rows(segments), 1);
        assertThat(forwardNanos(on, shape.withWindow(1), segments, inputs))
                .isLessThan(forwardNanos(on, shape, segments, inputs) / 2);
        assertThat(backwardNanos(on, shape.withWindow(1), segments, inputs))
                .isLessThan(backwardNanos(on, shape, segments, inputs) / 2);
    }

    private static long forwardNanos(On on, AttentionCall shape, List<Segment> segments, AttentionCall.Inputs inputs) {
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Forward call = shape.forward(tensors, on, segments, inputs);
            return minNanos(tensors, call::run);
        }
    }

    private static long backwardNanos(On on, AttentionCall shape, List<Segment> segments, AttentionCall.Inputs inputs) {
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Backward call = shape.backward(tensors, on, segments, inputs);
            return minNanos(tensors, call::run);
        }
    }

    private static long minNanos(Tensors tensors, Consumer<Device> call) {
        AtomicLong min = new AtomicLong(Long.MAX_VALUE);
        tensors.run(device -> {
            for (int i = 0; i < 3; i++) {
                long begin = System.nanoTime();
                call.accept(device);
                device.synchronize();
                min.accumulateAndGet(System.nanoTime() - begin, Math::min);
            }
        });
        return min.get();
    }
}
