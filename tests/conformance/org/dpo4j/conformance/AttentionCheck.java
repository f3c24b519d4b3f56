package org.dpo4j.conformance;

import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.testkit.AttentionLayout;
import org.dpo4j.testkit.AttentionTolerance;
import org.dpo4j.testkit.ReferenceAttention;
import org.dpo4j.testkit.ReferenceAttention.Gradients;
import org.dpo4j.testkit.Tolerance;

/** Runs a call of attention and compares its results with the reference. */
final class AttentionCheck {
    private static final Remembered<List<Row>> ROWS = new Remembered<>(16);
    private static final Remembered<List<Gradients>> GRADIENTS = new Remembered<>(16);

    private AttentionCheck() {}

    /** Expected results of forward for one query and head, and how far the actual ones may differ. */
    private record Row(
            int query, int head, int first, double[] out, double[] outAllowed, double lse, double lseAllowed) {}

    private static List<Row> rows(ReferenceAttention reference, DType dtype) {
        AttentionTolerance tolerance = new AttentionTolerance(reference, dtype);
        return reference.views().stream()
                .map(view -> new Row(
                        view.query(),
                        view.head(),
                        reference.atQuery(view.query(), view.head()),
                        reference.forward(view),
                        tolerance.forward(view),
                        view.lse(),
                        tolerance.lse(view) + Float.MIN_NORMAL))
                .toList();
    }

    /** Compares out and lse with the reference. {@code size} multiplies q and k. */
    static void forward(On on, AttentionCall shape, List<Segment> segments, double size) {
        decode(on, shape, segments, 0, AttentionCall.Inputs.random(shape, AttentionLayout.rows(segments), size));
    }

    /** The same for single queries with at most {@code maxKeys} keys. Rows of q in no segment are not written. */
    static void decode(On on, AttentionCall shape, List<Segment> segments, int maxKeys, AttentionCall.Inputs inputs) {
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Forward call = shape.decode(tensors, on, segments, inputs, maxKeys);
            tensors.run(call::run);
            AttentionCall.Inputs stored = call.operands().inputs();
            List<Object> key = List.of(shape.key(stored, segments), on.dtype());
            double[] out = call.out().values();
            double[] lse = call.lse().values();
            for (Row row : ROWS.get(key, () -> rows(shape.reference(stored, segments), on.dtype()))) {
                String what = "%s, row %d, head %d".formatted(shape, row.query, row.head);
                Expect.near(
                        what,
                        Arrays.copyOfRange(out, row.first, row.first + shape.headWidth()),
                        row.out,
                        d -> Tolerance.stored(on.dtype(), row.out[d], row.outAllowed[d]));
                double[] actual = {lse[row.query * shape.heads() + row.head]};
                Expect.near(what + " lse", actual, new double[] {row.lse}, i -> row.lseAllowed);
            }
        }
    }

    /** Compares all gradients with the reference. Rows of no segment hold NaN and must be left alone. */
    static void backward(On on, AttentionCall shape, List<Segment> segments, double size) {
        int rows = AttentionLayout.rows(segments);
        BitSet isInSegment = new BitSet(rows);
        segments.forEach(each -> isInSegment.set(each.queryBegin(), each.queryBegin() + each.queryCount()));
        AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, rows, size);
        for (int row = isInSegment.nextClearBit(0); row < rows; row = isInSegment.nextClearBit(row + 1)) {
            Arrays.fill(inputs.q(), row * shape.width(), (row + 1) * shape.width(), Double.NaN);
            Arrays.fill(inputs.k(), row * shape.kvWidth(), (row + 1) * shape.kvWidth(), Double.NaN);
            Arrays.fill(inputs.v(), row * shape.kvWidth(), (row + 1) * shape.kvWidth(), Double.NaN);
        }
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Backward call = shape.backward(tensors, on, segments, inputs);
            List.of(call.dQ(), call.dK(), call.dV()).forEach(gradient -> gradient.writes(isInSegment::get));
            tensors.run(call::run);
            AttentionCall.Inputs stored = call.operands().inputs();
            List<Object> key = List.of(shape.key(stored, segments), on.dtype());
            List<Gradients> both = GRADIENTS.get(key, () -> {
                ReferenceAttention reference = shape.reference(stored, segments);
                double[] dOut = call.dOut().values();
                double[] out = call.out().values();
                double[] lse = call.lse().values();
                Gradients exact = reference.backward(dOut, out, lse);
                return List.of(exact, new AttentionTolerance(reference, on.dtype()).backward(dOut, out, lse, exact));
            });
            Gradients expected = both.get(0);
            Gradients allowed = both.get(1);
            for (Segment segment : segments) {
                String what = "%s, %s ".formatted(shape, segment);
                near(on, what + "d_q", segment, call.dQ(), expected.dQ(), allowed.dQ());
                near(on, what + "d_k", segment, call.dK(), expected.dK(), allowed.dK());
                near(on, what + "d_v", segment, call.dV(), expected.dV(), allowed.dV());
            }
        }
    }

    private static void near(On on, String what, Segment segment, Tensor actual, double[] expected, double[] allowed) {
        int first = segment.queryBegin() * actual.width;
        int end = first + segment.queryCount() * actual.width;
        Expect.near(
                what,
                Arrays.copyOfRange(actual.values(), first, end),
                Arrays.copyOfRange(expected, first, end),
                i -> Tolerance.stored(on.dtype(), expected[first + i], allowed[first + i]));
    }

    static long[][] gradientBits(On on, AttentionCall shape, List<Segment> segments, AttentionCall.Inputs inputs) {
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Backward call = shape.backward(tensors, on, segments, inputs);
            tensors.run(call::run);
            return new long[][] {call.dQ().bits(), call.dK().bits(), call.dV().bits()};
        }
    }

    static long[] outputBits(On on, AttentionCall shape, List<Segment> segments, AttentionCall.Inputs inputs) {
        return outputBits(on, shape, segments, 0, inputs);
    }

    static long[] outputBits(
            On on, AttentionCall shape, List<Segment> segments, int maxKeys, AttentionCall.Inputs inputs) {
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Forward call = shape.decode(tensors, on, segments, inputs, maxKeys);
            tensors.run(call::run);
            return call.out().bits();
        }
    }

    /** Fails unless row i of {@code actual} has the bits of row {@code rows[i]} of {@code expected}. */
    static void sameRows(long[] actual, long[] expected, int[] rows, AttentionCall shape) {
        int width = shape.heads() * shape.headWidth();
        for (int row = 0; row < rows.length; row++) {
            Expect.sameBits(
                    "row %d against row %d".formatted(row, rows[row]),
                    Arrays.copyOfRange(actual, row * width, (row + 1) * width),
                    Arrays.copyOfRange(expected, rows[row] * width, (rows[row] + 1) * width));
        }
    }
}
