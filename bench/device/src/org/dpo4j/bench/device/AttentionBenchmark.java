package org.dpo4j.bench.device;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.Attention;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.testkit.AttentionLayout;
import org.dpo4j.testkit.AttentionLayout.Family;
import org.dpo4j.testkit.AttentionTolerance;
import org.dpo4j.testkit.Expected;
import org.dpo4j.testkit.ReferenceAttention;
import org.dpo4j.testkit.ReferenceAttention.Gradients;
import org.dpo4j.testkit.ReferenceAttention.View;

/**
 * Grouped-query attention over q, k and v in one buffer, as in the decoder. The gate checks a few rows of the first
 * sequence or pair, for the last key head and the query heads that use it.
 */
final class AttentionBenchmark {
    private static final int SAMPLES = 8;

    private final Fixture fixture;
    private final List<Segment> segments;
    private final int rows;
    private final int heads;
    private final int kvHeads;
    private final int width;
    private final long stride;
    private final long outStride;
    private final Attention.Scores scores;
    private final Operand qkv;
    private final Operand out;
    private final Operand lse;
    private final Operand packed;
    private final long workspace;
    private final Attention.Shape shape;

    private AttentionBenchmark(Fixture fixture) {
        this.fixture = fixture;
        segments = segments(fixture.shape());
        rows = AttentionLayout.rows(segments);
        heads = fixture.count("heads");
        kvHeads = fixture.count("kv_heads");
        width = fixture.count("width");
        stride = (long) (heads + 2 * kvHeads) * width;
        outStride = (long) heads * width;
        scores = new Attention.Scores(
                (float) (1 / Math.sqrt(width)),
                fixture.shape().countOr("soft_cap", 0),
                fixture.shape().countOr("window", 0));
        qkv = fixture.normal(1, rows * stride);
        out = fixture.zeros(rows * outStride);
        lse = fixture.zeros(DType.F32, (long) rows * heads);
        packed = fixture.ints(Segment.pack(segments));
        workspace = fixture.workspace(Attention.forwardWorkspaceBytes());
        shape = new Attention.Shape(
                heads, kvHeads, width, new Attention.Strides(outStride, stride, stride), scores, fixture.dtype());
    }

    /**
     * With {@code layout causal}: {@code sequences} of {@code tokens} each. With {@code layout mixed}: sequences of an
     * eighth, a quarter, half and all of {@code tokens}, in turn. With {@code layout shared}: {@code pairs} of a prompt
     * and the two completions that share it. With {@code layout plain}: the same pairs as two sequences each.
     */
    static List<Segment> segments(Shape shape) {
        if (shape.has("layout", "causal")) {
            return plain(shape.count("sequences"), shape.count("tokens"));
        }
        if (shape.has("layout", "mixed")) {
            int[] lengths = new int[shape.count("sequences")];
            Arrays.setAll(lengths, i -> shape.count("tokens") >> 3 - i % 4);
            return AttentionLayout.plain(lengths);
        }
        int pairs = shape.count("pairs");
        int prompt = shape.count("prompt");
        int completion = shape.count("completion");
        if (shape.has("layout", "plain")) {
            return plain(2 * pairs, prompt + completion);
        }
        Family[] families = new Family[pairs];
        Arrays.setAll(families, pair -> new Family(prompt, completion, completion));
        return AttentionLayout.shared(families);
    }

    private static List<Segment> plain(int sequences, int tokens) {
        int[] lengths = new int[sequences];
        Arrays.fill(lengths, tokens);
        return AttentionLayout.plain(lengths);
    }

    /** Number of pairs of a query and a key that it attends to. */
    static double visible(Shape shape) {
        long window = shape.countOr("window", Integer.MAX_VALUE);
        return segments(shape).stream()
                .mapToDouble(s -> pairs(s.prefixCount() + s.queryCount(), window) - pairs(s.prefixCount(), window))
                .sum();
    }

    /** The pairs of a sequence of {@code tokens}. */
    private static double pairs(long tokens, long window) {
        long begin = Math.min(tokens, window);
        return begin * (begin + 1) / 2.0 + (double) (tokens - begin) * window;
    }

    static Prepared forward(Fixture fixture) {
        AttentionBenchmark attention = new AttentionBenchmark(fixture);
        return new Prepared(attention::forward, attention::checkForward);
    }

    static Prepared backward(Fixture fixture) {
        AttentionBenchmark attention = new AttentionBenchmark(fixture);
        for (int copy = 0; copy < attention.out.copies(); copy++) {
            attention.forward(copy);
        }
        fixture.computed(attention.out, attention.lse);
        Operand dOut = fixture.normal(1, attention.out.count());
        Operand dQkv = fixture.zeros(attention.qkv.count());
        long workspace =
                fixture.workspace(Attention.backwardWorkspaceBytes(fixture.device(), attention.rows, attention.shape));
        return new Prepared(
                turn -> attention.backward(turn, dQkv, dOut, workspace),
                gate -> attention.checkBackward(gate, dQkv, dOut));
    }

    private void forward(int turn) {
        Attention.forward(fixture.device(), saved(turn), inputs(turn), segments(turn), workspace, shape);
    }

    private void backward(int turn, Operand dQkv, Operand dOut, long workspace) {
        Attention.Gradients gradients =
                new Attention.Gradients(dOut.at(turn), dQkv.at(turn), k(dQkv, turn), v(dQkv, turn));
        Attention.backward(fixture.device(), gradients, inputs(turn), saved(turn), segments(turn), workspace, shape);
    }

    private Attention.Inputs inputs(int turn) {
        return new Attention.Inputs(qkv.at(turn), k(qkv, turn), v(qkv, turn));
    }

    private Attention.Saved saved(int turn) {
        return new Attention.Saved(out.at(turn), lse.at(turn));
    }

    private Attention.Segments segments(int turn) {
        return AttentionLayout.packed(packed.at(turn), segments, rows);
    }

    private long k(Operand operand, int turn) {
        return operand.at(turn) + (long) heads * width * operand.storage().bytes;
    }

    private long v(Operand operand, int turn) {
        return operand.at(turn) + (long) (heads + kvHeads) * width * operand.storage().bytes;
    }

    /** The last key head and the query heads that use it, over the rows of the first prompt and its completions. */
    private final class Checked {
        final int count;
        final int group = heads / kvHeads;
        final int rowsOfFamily;
        final ReferenceAttention reference;
        final AttentionTolerance tolerance;
        final int[] sample;

        Checked() {
            int end = segments.get(0).queryCount();
            for (Segment segment : segments) {
                if (segment.prefixCount() > 0 && segment.prefixBegin() == 0) {
                    end = segment.queryBegin() + segment.queryCount();
                }
            }
            rowsOfFamily = end;
            count = (int)
                    segments.stream().filter(s -> s.queryBegin() < rowsOfFamily).count();
            reference = new ReferenceAttention(
                            group,
                            1,
                            width,
                            scores.scale(),
                            read(qkv, stride, heads - group, group),
                            read(qkv, stride, heads + kvHeads - 1, 1),
                            read(qkv, stride, heads + 2 * kvHeads - 1, 1),
                            segments.subList(0, count))
                    .withLimits(scores.window(), scores.softCap());
            tolerance = new AttentionTolerance(reference, fixture.dtype());
            sample = Fixture.sample(SAMPLES, rowsOfFamily);
        }

        /** Copies {@code count} heads of each row, from head {@code first} on. */
        double[] read(Operand operand, long rowStride, int first, int headCount) {
            double[] values = new double[rowsOfFamily * headCount * width];
            for (int row = 0; row < rowsOfFamily; row++) {
                double[] ofRow = operand.read(row * rowStride + (long) first * width, headCount * width);
                System.arraycopy(ofRow, 0, values, row * ofRow.length, ofRow.length);
            }
            return values;
        }

        /** The lse of the query heads of the group. */
        double[] lses() {
            double[] values = new double[rowsOfFamily * group];
            for (int row = 0; row < rowsOfFamily; row++) {
                double[] ofRow = lse.read((long) row * heads + heads - group, group);
                System.arraycopy(ofRow, 0, values, row * group, group);
            }
            return values;
        }
    }

    private void checkForward(Gate gate) {
        Checked checked = new Checked();
        for (int query : checked.sample) {
            View view = checked.reference.view(query, checked.group - 1);
            gate.value(
                    "lse of row " + query,
                    view.lse(),
                    lse.read((long) query * heads + heads - 1),
                    checked.tolerance.lse(view) + Float.MIN_NORMAL);
            double[] allowed = checked.tolerance.forward(view);
            gate.values(
                    "out of row " + query,
                    Expected.stored(fixture.dtype(), checked.reference.forward(view), d -> allowed[d]),
                    out.read(query * outStride + (long) (heads - 1) * width, width));
        }
    }

    private void checkBackward(Gate gate, Operand dQkv, Operand dOut) {
        Checked checked = new Checked();
        double[] d = checked.read(dOut, outStride, heads - checked.group, checked.group);
        double[] o = checked.read(out, outStride, heads - checked.group, checked.group);
        double[] lses = checked.lses();
        List<View> queries = new ArrayList<>();
        for (int query : checked.sample) {
            queries.add(checked.reference.view(query, checked.group - 1));
        }
        List<View> keys = new ArrayList<>();
        for (int query = 0; query < checked.rowsOfFamily; query++) {
            int[] seen = checked.reference.keys(query);
            int[] sampled = IntStream.of(checked.sample)
                    .filter(key -> Arrays.binarySearch(seen, key) >= 0)
                    .toArray();
            for (int head = 0; head < checked.group; head++) {
                keys.add(checked.reference.view(query, head, sampled));
            }
        }
        Gradients ofQueries = checked.reference.backward(queries, d, o, lses);
        Gradients offQueries = checked.tolerance.backward(queries, d, o, lses, ofQueries);
        Gradients ofKeys = checked.reference.backward(keys, d, o, lses);
        Gradients offKeys = checked.tolerance.backward(keys, d, o, lses, ofKeys);
        int lastOfGroup = (checked.group - 1) * width;
        for (int row : checked.sample) {
            int ofQ = row * checked.group * width + lastOfGroup;
            check(gate, "d_q", row, dQkv, heads - 1, ofQueries.dQ(), offQueries.dQ(), ofQ);
            check(gate, "d_k", row, dQkv, heads + kvHeads - 1, ofKeys.dK(), offKeys.dK(), row * width);
            check(gate, "d_v", row, dQkv, heads + 2 * kvHeads - 1, ofKeys.dV(), offKeys.dV(), row * width);
        }
    }

    /** Compares one head of a row of a gradient with {@code expected} from index {@code at} on. */
    private void check(
            Gate gate, String what, int row, Operand dQkv, int head, double[] expected, double[] off, int at) {
        gate.values(
                what + " of row " + row,
                Expected.stored(fixture.dtype(), Arrays.copyOfRange(expected, at, at + width), d -> off[at + d]),
                dQkv.read(row * stride + (long) head * width, width));
    }
}
