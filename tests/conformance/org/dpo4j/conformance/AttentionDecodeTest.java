package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Attention;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.kernels.internal.CudaSettings;
import org.dpo4j.testkit.AttentionLayout;
import org.dpo4j.testkit.Draw;
import org.junit.jupiter.api.Tag;

/**
 * Attention of one query a segment with {@code max_keys}, as in decoding. On cuda keys are split into ranges of 256, and a
 * warp takes tiles of 16 of them. The cpu ignores {@code max_keys}.
 */
class AttentionDecodeTest {
    /** A query after so many keys of its own, for each number, and the keys that it computes itself. */
    private static List<Segment> queries(int... keys) {
        List<Segment> segments = new ArrayList<>();
        int begin = 0;
        for (int count : keys) {
            segments.add(new Segment(segments.size(), 1, begin, count - 1, 0, 0, 0));
            begin += count;
        }
        return segments;
    }

    /** A query for each completion, which has so many keys behind those of a shared prompt. */
    private static List<Segment> afterPrompt(int prompt, int... completions) {
        List<Segment> segments = new ArrayList<>();
        int begin = prompt;
        for (int count : completions) {
            segments.add(new Segment(segments.size(), 1, begin, count - 1, 0, prompt, 0));
            begin += count;
        }
        return segments;
    }

    private static AttentionCall.Inputs inputs(AttentionCall shape, List<Segment> segments, double size) {
        int keys = AttentionLayout.keyRows(segments);
        Draw draw = new Draw(keys * 1000L + shape.headWidth());
        return new AttentionCall.Inputs(
                draw.normal(segments.size() * shape.width(), size),
                draw.normal(keys * shape.kvWidth(), size),
                draw.normal(keys * shape.kvWidth(), 1));
    }

    private static void check(On on, AttentionCall shape, List<Segment> segments, double size) {
        AttentionCheck.decode(on, shape, segments, 1024, inputs(shape, segments, size));
    }

    /** Numbers of keys around the ends of tiles and ranges; one warp alone has a key, or the last has none. */
    @OnEachDTypeOfWidest
    void anyNumberOfKeys(On on) {
        check(on, new AttentionCall(4, 2, 16), queries(1, 15, 16, 17, 64, 65, 255, 256, 257, 273, 512, 513, 1000), 1);
        check(on, new AttentionCall(7, 1, 64).withStrides(8), queries(300, 48, 600), 1);
    }

    @OnEachDTypeOfWidest
    @Tag("small")
    void fewKeys(On on) {
        List<Segment> segments = queries(3, 1, 40);
        AttentionCall shape = new AttentionCall(4, 2, 24).withStrides(8);
        AttentionCheck.decode(on, shape, segments, 40, inputs(shape, segments, 1));
        AttentionCheck.decode(on, shape, segments, 300, inputs(shape, segments, 1));
    }

    /** Every shape of a block; groups of more heads than a block has rows. */
    @OnEachDTypeOfWidest
    void everyHeadWidthAndGroup(On on) {
        List<Segment> segments = queries(290, 20);
        for (int width : new int[] {8, 40, 72, 96, 128, 136, 256}) {
            check(on, new AttentionCall(2, 1, width), segments, 1);
        }
        check(on, new AttentionCall(17, 1, 16), segments, 1);
        check(on, new AttentionCall(66, 2, 8), segments, 1);
    }

    /** Prompts that end within a tile, at the end of a range, and before it. */
    @OnEachDTypeOfWidest
    void queriesAfterASharedPrompt(On on) {
        check(on, new AttentionCall(4, 2, 16), afterPrompt(256, 1, 30, 300), 1);
        check(on, new AttentionCall(3, 1, 128), afterPrompt(249, 7, 8, 60), 1);
    }

    /** Windows of one key, of a range, and over up to three ranges; window and soft cap together. */
    @OnEachDTypeOfWidest
    void windowsAndSoftCaps(On on) {
        List<Segment> segments = queries(1, 200, 256, 257, 300, 513, 700);
        for (int window : new int[] {1, 100, 256, 258, 514}) {
            check(on, new AttentionCall(4, 2, 16).withWindow(window), segments, 1);
        }
        check(on, new AttentionCall(4, 2, 16).withSoftCap(2), segments, 1.5);
        check(on, new AttentionCall(2, 1, 128).withSoftCap(2).withWindow(300), afterPrompt(400, 9, 200), 1);
        check(on, new AttentionCall(2, 1, 256).withWindow(40), queries(270), 1);
    }

    /** One key has all the probability, in another range for each query; and all keys are nearly equal. */
    @OnEachDTypeOfWidest
    void extremeScores(On on) {
        check(on, new AttentionCall(4, 2, 16), queries(600, 270), 12);
        check(on, new AttentionCall(2, 1, 64), queries(600), 1e-20);
        check(on, new AttentionCall(2, 1, 16).withScale(-0.4f), queries(300), 1);
        check(on, new AttentionCall(2, 1, 16).withScale(0), queries(300), 1);
    }

    /** A query has the same bits with any bound, alone, in another order, and with its prompt shared or not. */
    @OnEachDTypeOfWidest
    void aResultDependsOnTheKeysAlone(On on) {
        for (AttentionCall shape : List.of(new AttentionCall(4, 2, 16), new AttentionCall(3, 1, 128).withWindow(300))) {
            List<Segment> segments = afterPrompt(250, 5, 7, 290);
            AttentionCall.Inputs inputs = inputs(shape, segments, 1);
            long[] expected = AttentionCheck.outputBits(on, shape, segments, 540, inputs);
            for (int maxKeys : new int[] {768, 2048}) {
                Expect.sameBits(
                        "out, bound " + maxKeys,
                        AttentionCheck.outputBits(on, shape, segments, maxKeys, inputs),
                        expected);
            }
            for (int i = 0; i < segments.size(); i++) {
                Segment shared = segments.get(i);
                int own = shared.keyOffset() + 1;
                int[] rows = IntStream.concat(
                                IntStream.range(0, 250), IntStream.range(shared.keyBegin(), shared.keyBegin() + own))
                        .toArray();
                AttentionCall.Inputs alone = new AttentionCall.Inputs(
                        query(inputs, shape, i), keys(inputs.k(), shape, rows), keys(inputs.v(), shape, rows));
                Expect.sameBits(
                        "query " + i + " alone",
                        AttentionCheck.outputBits(on, shape, queries(250 + own), 250 + own, alone),
                        Arrays.copyOfRange(expected, i * shape.width(), (i + 1) * shape.width()));
            }
        }
    }

    private static double[] keys(double[] values, AttentionCall shape, int[] rows) {
        int width = shape.kvWidth();
        return Arrays.stream(rows)
                .boxed()
                .flatMapToDouble(row -> Arrays.stream(values, row * width, (row + 1) * width))
                .toArray();
    }

    private static double[] query(AttentionCall.Inputs inputs, AttentionCall shape, int i) {
        return Arrays.copyOfRange(inputs.q(), i * shape.width(), (i + 1) * shape.width());
    }

    /** In F32, a query whose keys are all in one range has the bits of a whole sequence, which is not split. */
    @OnEachDevice
    void oneRangeEqualsTheWhole(On on) {
        for (int width : new int[] {16, 64, 128, 256}) {
            for (int window : new int[] {0, 60}) {
                AttentionCall shape = new AttentionCall(2, 1, width).withWindow(window);
                List<Segment> segments = queries(1, 90, 256, window == 0 ? 255 : 330);
                AttentionCall.Inputs inputs = inputs(shape, segments, 1);
                Expect.sameBits(
                        "out of " + shape,
                        AttentionCheck.outputBits(on, shape, segments, 400, inputs),
                        AttentionCheck.outputBits(on, shape, segments, inputs));
            }
        }
    }

    /** Keys behind a query, and those before its window, may be anything. */
    @OnEachDTypeOfWidest
    void hiddenKeysMayBeAnything(On on) {
        for (AttentionCall plain : List.of(new AttentionCall(4, 2, 16), new AttentionCall(2, 1, 128))) {
            AttentionCall shape = plain.withWindow(270);
            List<Segment> segments = List.of(new Segment(0, 1, 0, 519, 0, 0, 0), new Segment(1, 1, 530, 8, 0, 0, 0));
            AttentionCall.Inputs inputs = inputs(shape, segments, 1);
            long[] clean = AttentionCheck.outputBits(on, shape, segments, 600, inputs);
            AttentionCall.Inputs other = inputs(shape, segments, 1);
            for (double[] keys : List.of(other.k(), other.v())) {
                Arrays.fill(keys, 0, 250 * shape.kvWidth(), Double.NaN);
                Arrays.fill(keys, 520 * shape.kvWidth(), 530 * shape.kvWidth(), Double.POSITIVE_INFINITY);
            }
            Expect.sameBits("out of " + shape, AttentionCheck.outputBits(on, shape, segments, 600, other), clean);
        }
    }

    /** A value that is not finite reaches the queries that see it, in its column, and no others. */
    @OnEachDTypeOfWidest
    void nonFiniteValuesReachTheirQueries(On on) {
        AttentionCall shape = new AttentionCall(2, 1, 16);
        List<Segment> segments = afterPrompt(40, 300, 5);
        AttentionCall.Inputs inputs = inputs(shape, segments, 1);
        inputs.v()[333 * shape.kvWidth() + 13] = Double.POSITIVE_INFINITY;
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Forward call = shape.decode(tensors, on, segments, inputs, 512);
            tensors.run(call::run);
            double[] out = call.out().values();
            for (int i = 0; i < out.length; i++) {
                boolean seen = i < shape.width() && i % shape.headWidth() == 13;
                assertThat(Double.isFinite(out[i])).as("out[%d] is finite", i).isEqualTo(!seen);
            }
        }
    }

    /** Segments without a query, more than one query, and more keys than the bound. */
    @OnEachDType
    @Tag("small")
    void whatDoesNotFit(On on) {
        AttentionCall shape = new AttentionCall(2, 1, 8);
        List<Segment> segments = List.of(
                new Segment(0, 1, 0, 9, 0, 0, 0),
                new Segment(0, 0, 0, 0, 0, 0, 0),
                new Segment(1, 1, 10, 279, 0, 0, 0));
        AttentionCall.Inputs inputs = inputs(shape, List.of(segments.get(0), segments.get(2)), 1);
        AttentionCheck.decode(on, shape, segments, 280, inputs);
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Forward call = shape.decode(tensors, on, segments, inputs, 250);
            if (on.cuda()) {
                tensors.run(call::run);
                double[] out = call.out().values();
                assertThat(Arrays.stream(out, 0, shape.width())).allMatch(Double::isFinite);
                assertThat(Arrays.stream(out, shape.width(), 2 * shape.width())).allMatch(value -> Double.isNaN(value));
                assertThat(Arrays.stream(call.lse().values(), 2, 4)).allMatch(value -> Double.isNaN(value));
            } else {
                tensors.refused("attention_forward", "segments", call::run);
            }
        }
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Forward call = shape.decode(tensors, on, AttentionLayout.plain(2), inputs, 250);
            tensors.refused("attention_forward", "max_queries", call::run);
        }
    }

    /** The kernels for whole sequences pass the same checks. */
    @OnEachCudaDevice
    void isRightWithoutTheKernel(On on) {
        CudaSettings settings = new CudaSettings("attention_decode", 0);
        try (Device first = TestDevices.open(on, settings);
                Device second = TestDevices.open(on, settings)) {
            check(on.with(first, second), new AttentionCall(4, 2, 64), queries(300, 20), 1);
        }
    }

    /** Every element at a size of a real model, against the kernels for whole sequences; then the same bits 20 times. */
    @OnEachCudaDevice
    @Tag("large")
    void repeatsItsBitsAtRealSizes(On on) {
        assumeTrue(on.name().equals("cuda"), "16 x 4096 keys of 8 heads take a GPU");
        for (int width : new int[] {64, 128}) {
            AttentionCall shape = new AttentionCall(32, 8, width);
            List<Segment> segments = queries(4096, 17, 2000, 4095, 300, 1024);
            AttentionCall.Inputs inputs = inputs(shape, segments, 1);
            AttentionCheck.decode(on, shape, segments, 4096, inputs);
            long[] first = AttentionCheck.outputBits(on, shape, segments, 4096, inputs);
            for (int i = 0; i < 20; i++) {
                Expect.sameBits("time " + i, AttentionCheck.outputBits(on, shape, segments, 8192, inputs), first);
            }
        }
    }

    /** The workspace counts ranges as the kernels do. */
    @OnEachDevice
    void theWorkspaceHasARangeForEachStartedRange(On on) {
        long one = Attention.decodeWorkspaceBytes(3, 4, 16, 1);
        assertThat(one).isEqualTo(3 * 4 * 18 * 4);
        assertThat(Attention.decodeWorkspaceBytes(3, 4, 16, Attention.RANGE_KEYS))
                .isEqualTo(one);
        assertThat(Attention.decodeWorkspaceBytes(3, 4, 16, Attention.RANGE_KEYS + 1))
                .isEqualTo(2 * one);
        assertThat(on.device().context()).isNotZero();
    }
}
