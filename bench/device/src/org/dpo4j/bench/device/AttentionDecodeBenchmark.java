package org.dpo4j.bench.device;

import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.Attention;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.testkit.AttentionLayout;
import org.dpo4j.testkit.AttentionTolerance;
import org.dpo4j.testkit.Expected;
import org.dpo4j.testkit.ReferenceAttention;
import org.dpo4j.testkit.ReferenceAttention.View;

/**
 * Attention of one query of each of several sequences over {@code context} cached keys, with keys and values in one row, as
 * in the decoder's key cache. The gate checks the last head of the first and the last sequence.
 */
final class AttentionDecodeBenchmark {
    /** Elements that are read at a time. */
    private static final int READ = 1 << 20;

    private final Fixture fixture;
    private final List<Segment> segments;
    private final int context;
    private final int heads;
    private final int kvHeads;
    private final int width;
    private final int rowWidth;
    private final Attention.Scores scores;
    private final Attention.Shape shape;
    private final Operand q;
    private final Operand cache;
    private final Operand out;
    private final Operand lse;
    private final Operand packed;
    private final long workspace;

    private AttentionDecodeBenchmark(Fixture fixture) {
        this.fixture = fixture;
        int sequences = fixture.count("sequences");
        context = fixture.count("context");
        segments = IntStream.range(0, sequences)
                .mapToObj(i -> new Segment(i, 1, i * context, context - 1, 0, 0, 0))
                .toList();
        heads = fixture.count("heads");
        kvHeads = fixture.count("kv_heads");
        width = fixture.count("width");
        rowWidth = 2 * kvHeads * width;
        scores = new Attention.Scores(
                (float) (1 / Math.sqrt(width)),
                fixture.shape().countOr("soft_cap", 0),
                fixture.shape().countOr("window", 0));
        long stride = (long) heads * width;
        shape = new Attention.Shape(
                heads, kvHeads, width, new Attention.Strides(stride, stride, rowWidth), scores, fixture.dtype());
        q = fixture.normal(1, sequences * stride);
        cache = fixture.normal(1, (long) sequences * context * rowWidth);
        out = fixture.zeros(sequences * stride);
        lse = fixture.zeros(DType.F32, (long) sequences * heads);
        packed = fixture.ints(Segment.pack(segments));
        workspace = fixture.workspace(Attention.decodeWorkspaceBytes(sequences, heads, width, context));
    }

    static Prepared decode(Fixture fixture) {
        AttentionDecodeBenchmark attention = new AttentionDecodeBenchmark(fixture);
        return new Prepared(attention::queue, attention::check);
    }

    /** Keys and values that the queries see, each once. */
    static double bytes(Shape shape) {
        long seen = Math.min(shape.at("context"), shape.countOr("window", Integer.MAX_VALUE));
        return 2.0 * shape.dtype().bytes() * shape.at("sequences") * seen * shape.at("kv_heads") * shape.at("width");
    }

    private void queue(int turn) {
        long keys = cache.at(turn);
        Attention.forward(
                fixture.device(),
                new Attention.Saved(out.at(turn), lse.at(turn)),
                new Attention.Inputs(
                        q.at(turn),
                        keys,
                        keys + (long) kvHeads * width * fixture.dtype().bytes()),
                AttentionLayout.packed(packed.at(turn), segments, (long) segments.size() * context, context),
                workspace,
                shape);
    }

    private void check(Gate gate) {
        for (int sequence : Fixture.sample(2, segments.size())) {
            check(gate, sequence);
        }
    }

    private void check(Gate gate, int sequence) {
        long atQuery = ((long) sequence * heads + heads - 1) * width;
        double[][] keys = keys(sequence);
        List<Segment> one = List.of(new Segment(0, 1, 0, context - 1, 0, 0, 0));
        ReferenceAttention reference = new ReferenceAttention(
                        1, 1, width, scores.scale(), q.read(atQuery, width), keys[0], keys[1], one)
                .withLimits(scores.window(), scores.softCap());
        AttentionTolerance tolerance = new AttentionTolerance(reference, fixture.dtype());
        View view = reference.view(0, 0);
        gate.value(
                "lse of sequence " + sequence,
                view.lse(),
                lse.read((long) sequence * heads + heads - 1),
                tolerance.lse(view) + Float.MIN_NORMAL);
        double[] allowed = tolerance.forward(view);
        gate.values(
                "out of sequence " + sequence,
                Expected.stored(fixture.dtype(), reference.forward(view), d -> allowed[d]),
                out.read(atQuery, width));
    }

    /** Keys and values of the last head of a sequence. */
    private double[][] keys(int sequence) {
        double[][] keys = new double[2][context * width];
        int rows = Math.max(1, READ / rowWidth);
        for (int first = 0; first < context; first += rows) {
            int count = Math.min(rows, context - first);
            double[] some = cache.read(((long) sequence * context + first) * rowWidth, count * rowWidth);
            for (int row = 0; row < count; row++) {
                for (int part = 0; part < 2; part++) {
                    int from = row * rowWidth + ((part + 1) * kvHeads - 1) * width;
                    System.arraycopy(some, from, keys[part], (first + row) * width, width);
                }
            }
        }
        return keys;
    }
}
