package org.dpo4j.conformance;

import java.util.Arrays;
import java.util.List;
import org.dpo4j.conformance.ReferenceAttention.View;
import org.dpo4j.kernels.decoder.Segment;

/** What tests of attention have in common: a call, and what its results must be. */
final class AttentionCheck {
    private AttentionCheck() {}

    /** out and lse against the reference. {@code size} multiplies q and k. */
    static void forward(On on, AttentionCall shape, List<Segment> segments, double size) {
        AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, AttentionLayout.rows(segments), size);
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Forward call = shape.forward(tensors, on, segments, inputs);
            tensors.run(call::run);
            ReferenceAttention reference = shape.reference(call.of().inputs(), segments);
            AttentionTolerance tolerance = new AttentionTolerance(reference, on.dtype());
            double[] out = call.out().values();
            double[] lse = call.lse().values();
            for (View view : reference.views()) {
                int first = reference.atQuery(view.query(), view.head());
                double[] expected = reference.forward(view);
                double[] allowed = tolerance.forward(view);
                String what = "%s, row %d, head %d".formatted(shape, view.query(), view.head());
                Expect.near(
                        what,
                        Arrays.copyOfRange(out, first, first + shape.headWidth()),
                        expected,
                        d -> Tolerance.stored(on.dtype(), expected[d], allowed[d]));
                double[] actual = {lse[view.query() * shape.heads() + view.head()]};
                Expect.near(
                        what + " lse", actual, new double[] {view.lse()}, i -> tolerance.lse(view) + Float.MIN_NORMAL);
            }
        }
    }

    /** All gradients against the reference. */
    static void backward(On on, AttentionCall shape, List<Segment> segments, double size) {
        int rows = AttentionLayout.rows(segments);
        AttentionCall.Inputs inputs = AttentionCall.Inputs.random(shape, rows, size);
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Backward call = shape.backward(tensors, on, segments, inputs);
            tensors.run(call::run);
            ReferenceAttention reference = shape.reference(call.of().inputs(), segments);
            double[] dOut = call.dOut().values();
            double[] out = call.out().values();
            double[] lse = call.lse().values();
            ReferenceAttention.Gradients expected = reference.backward(dOut, out, lse);
            ReferenceAttention.Gradients allowed =
                    new AttentionTolerance(reference, on.dtype()).backward(dOut, out, lse, expected);
            near(on, shape + " d_q", call.dQ(), expected.dQ(), allowed.dQ());
            near(on, shape + " d_k", call.dK(), expected.dK(), allowed.dK());
            near(on, shape + " d_v", call.dV(), expected.dV(), allowed.dV());
        }
    }

    private static void near(On on, String what, Tensor actual, double[] expected, double[] allowed) {
        Expect.near(what, actual.values(), expected, i -> Tolerance.stored(on.dtype(), expected[i], allowed[i]));
    }

    static long[][] gradientBits(On on, AttentionCall shape, List<Segment> segments, AttentionCall.Inputs inputs) {
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Backward call = shape.backward(tensors, on, segments, inputs);
            tensors.run(call::run);
            return new long[][] {call.dQ().bits(), call.dK().bits(), call.dV().bits()};
        }
    }

    static long[] outputBits(On on, AttentionCall shape, List<Segment> segments, AttentionCall.Inputs inputs) {
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Forward call = shape.forward(tensors, on, segments, inputs);
            tensors.run(call::run);
            return call.out().bits();
        }
    }

    /** Row i of {@code actual} has the bits of row {@code rows[i]} of {@code expected}. */
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
