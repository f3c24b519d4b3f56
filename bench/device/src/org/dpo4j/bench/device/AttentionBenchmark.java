package org.dpo4j.bench.device;

import java.util.stream.IntStream;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.Attention;
import org.dpo4j.kernels.decoder.Segment;

/**
 * Grouped-query attention over q, k and v in one buffer, as the decoder lays them. The gate looks at the last key head of the first sequence: a few
 * of its queries and keys.
 */
final class AttentionBenchmark {
    private static final int SAMPLES = 8;

    private final Fixture fixture;
    private final AttentionLayout layout;
    private final int heads;
    private final int kvHeads;
    private final int width;
    private final long stride;
    private final long outStride;
    private final float scale;
    private final Tensor qkv;
    private final Tensor out;
    private final Tensor lse;
    private final Tensor segments;
    private final long workspace;
    private final Attention.Shape shape;

    private AttentionBenchmark(Fixture fixture) {
        this.fixture = fixture;
        Shape sizes = fixture.shape();
        layout = AttentionLayout.of(sizes);
        heads = sizes.count("heads");
        kvHeads = sizes.count("kv_heads");
        width = sizes.count("width");
        stride = (long) (heads + 2 * kvHeads) * width;
        outStride = (long) heads * width;
        scale = (float) (1 / Math.sqrt(width));
        qkv = fixture.normal(1, layout.rows() * stride);
        out = fixture.zeros(layout.rows() * outStride);
        lse = fixture.zeros(DType.F32, (long) layout.rows() * heads);
        segments = fixture.ints(Segment.pack(layout.segments()));
        workspace = fixture.workspace(Attention.forwardWorkspaceBytes());
        shape = new Attention.Shape(
                heads, kvHeads, width, new Attention.Strides(outStride, stride, stride), scale, fixture.dtype());
    }

    static Prepared forward(Fixture fixture) {
        AttentionBenchmark of = new AttentionBenchmark(fixture);
        return new Prepared(of::forward, of::checkForward);
    }

    static Prepared backward(Fixture fixture) {
        AttentionBenchmark of = new AttentionBenchmark(fixture);
        for (int copy = 0; copy < of.out.copies(); copy++) {
            of.forward(copy);
        }
        fixture.computed(of.out, of.lse);
        Tensor dOut = fixture.normal(1, of.out.count());
        Tensor dQkv = fixture.zeros(of.qkv.count());
        long workspace = fixture.workspace(Attention.backwardWorkspaceBytes(of.layout.rows(), of.shape));
        return new Prepared(
                turn -> of.backward(turn, dQkv, dOut, workspace), gate -> of.checkBackward(gate, dQkv, dOut));
    }

    private void forward(int turn) {
        Attention.forward(fixture.device(), saved(turn), inputs(turn), segments(turn), workspace, shape);
    }

    private void backward(int turn, Tensor dQkv, Tensor dOut, long workspace) {
        Attention.backward(
                fixture.device(),
                new Attention.Gradients(dOut.at(turn), q(dQkv, turn), k(dQkv, turn), v(dQkv, turn)),
                inputs(turn),
                saved(turn),
                segments(turn),
                workspace,
                shape);
    }

    private Attention.Inputs inputs(int turn) {
        return new Attention.Inputs(q(qkv, turn), k(qkv, turn), v(qkv, turn));
    }

    private Attention.Saved saved(int turn) {
        return new Attention.Saved(out.at(turn), lse.at(turn));
    }

    private Attention.Segments segments(int turn) {
        return new Attention.Segments(segments.at(turn), layout.segments().size(), layout.maxQueries(), layout.rows());
    }

    private static long q(Tensor of, int turn) {
        return of.at(turn);
    }

    private long k(Tensor of, int turn) {
        return of.at(turn) + (long) heads * width * of.dtype().bytes();
    }

    private long v(Tensor of, int turn) {
        return of.at(turn) + (long) (heads + kvHeads) * width * of.dtype().bytes();
    }

    /** One head of the rows of the first sequence, {@code at} elements into a row. */
    private double[][] head(Tensor of, long rowStride, int at) {
        return IntStream.range(0, layout.firstRows())
                .mapToObj(row -> of.read(row * rowStride + (long) at * width, width))
                .toArray(double[][]::new);
    }

    private double[][] keys(Tensor of) {
        return head(of, stride, heads + kvHeads - 1);
    }

    private double[][] values(Tensor of) {
        return head(of, stride, heads + 2 * kvHeads - 1);
    }

    /** Of some rows, ends included. */
    private int[] sample() {
        int rows = layout.firstRows();
        return IntStream.range(0, Math.min(SAMPLES, rows))
                .map(i -> (int) ((long) i * (rows - 1) / Math.max(1, Math.min(SAMPLES, rows) - 1)))
                .toArray();
    }

    private void checkForward(Gate gate) {
        double[][] k = keys(qkv);
        double[][] v = values(qkv);
        int head = heads - 1;
        for (int query : sample()) {
            double[] q = qkv.read(query * stride + (long) head * width, width);
            int[] seen = IntStream.range(0, k.length)
                    .filter(key -> layout.sees(query, key))
                    .toArray();
            double[] scores = IntStream.of(seen)
                    .mapToDouble(key -> scale * Reference.dot(q, k[key]))
                    .toArray();
            double ofLse = Reference.lse(scores);
            double[] expected = new double[width];
            double[] magnitudes = new double[width];
            for (int i = 0; i < seen.length; i++) {
                add(expected, magnitudes, Math.exp(scores[i] - ofLse), v[seen[i]]);
            }
            double share = share(seen.length, magnitude(q, k, seen));
            double[] actual = out.read(query * outStride + (long) head * width, width);
            gate.value("lse", ofLse, lse.read((long) query * heads + head), share(seen.length, magnitude(q, k, seen)));
            gate.values("out of row " + query, expected, actual, magnitudes, share);
        }
    }

    /**
     * Sums of n terms whose weights are exponentials of scores: twice the error of a score besides. Tensor cores take weights, and gradients of
     * scores, in the type of the tensors: a rounding more.
     */
    private double share(int terms, double score) {
        double weights = fixture.dtype() == DType.F32 ? 0 : 0x1p-8;
        return Gate.sum(terms, fixture.dtype()) + weights + 2 * Gate.sum(width, DType.F32) * score;
    }

    /** The largest magnitude of a score. */
    private double magnitude(double[] q, double[][] k, int[] seen) {
        double largest = 0;
        for (int key : seen) {
            double sum = 0;
            for (int d = 0; d < width; d++) {
                sum += Math.abs(q[d] * k[key][d]);
            }
            largest = Math.max(largest, scale * sum);
        }
        return largest;
    }

    private static void add(double[] sums, double[] magnitudes, double factor, double[] terms) {
        for (int d = 0; d < sums.length; d++) {
            sums[d] += factor * terms[d];
            magnitudes[d] += Math.abs(factor * terms[d]);
        }
    }

    private void checkBackward(Gate gate, Tensor dQkv, Tensor dOut) {
        double[][] k = keys(qkv);
        double[][] v = values(qkv);
        int[] sample = sample();
        int rows = layout.firstRows();
        double[][] dK = new double[rows][width];
        double[][] dKMagnitudes = new double[rows][width];
        double[][] dV = new double[rows][width];
        double[][] dVMagnitudes = new double[rows][width];
        double largest = 0;
        int group = heads / kvHeads;
        for (int head = heads - group; head < heads; head++) {
            double[][] q = head(qkv, stride, head);
            double[][] o = head(out, outStride, head);
            double[][] d = head(dOut, outStride, head);
            double[] lses = lse.read(0, rows * heads);
            for (int query = 0; query < rows; query++) {
                double ofLse = lses[query * heads + head];
                double delta = Reference.dot(d[query], o[query]);
                double deltaMagnitude = norms(d[query], o[query]);
                for (int key : sample) {
                    if (layout.sees(query, key)) {
                        double p = Math.exp(scale * Reference.dot(q[query], k[key]) - ofLse);
                        double dScore = p * (Reference.dot(d[query], v[key]) - delta);
                        double magnitude = p * (norms(d[query], v[key]) + deltaMagnitude);
                        add(dV[key], dVMagnitudes[key], p, d[query]);
                        add(dK[key], dKMagnitudes[key], scale * dScore, scale * magnitude, q[query]);
                        largest = Math.max(largest, magnitude(q[query], k, new int[] {key}));
                    }
                }
            }
        }
        for (int key : sample) {
            double share = share(rows * group, largest);
            long row = key * stride;
            double[] actualV = dQkv.read(row + (long) (heads + 2 * kvHeads - 1) * width, width);
            double[] actualK = dQkv.read(row + (long) (heads + kvHeads - 1) * width, width);
            gate.values("d_v of row " + key, dV[key], actualV, dVMagnitudes[key], share);
            gate.values("d_k of row " + key, dK[key], actualK, dKMagnitudes[key], share);
            checkQuery(gate, key, k, v, dQkv, dOut);
        }
    }

    private void checkQuery(Gate gate, int query, double[][] k, double[][] v, Tensor dQkv, Tensor dOut) {
        int head = heads - 1;
        double[] q = qkv.read(query * stride + (long) head * width, width);
        double[] o = out.read(query * outStride + (long) head * width, width);
        double[] d = dOut.read(query * outStride + (long) head * width, width);
        double ofLse = lse.read((long) query * heads + head);
        double[] expected = new double[width];
        double[] magnitudes = new double[width];
        int[] seen = IntStream.range(0, k.length)
                .filter(key -> layout.sees(query, key))
                .toArray();
        for (int key : seen) {
            double p = Math.exp(scale * Reference.dot(q, k[key]) - ofLse);
            double dScore = p * (Reference.dot(d, v[key]) - Reference.dot(d, o));
            add(expected, magnitudes, scale * dScore, scale * p * (norms(d, v[key]) + norms(d, o)), k[key]);
        }
        double[] actual = dQkv.read(query * stride + (long) head * width, width);
        double share = share(seen.length, magnitude(q, k, seen));
        gate.values("d_q of row " + query, expected, actual, magnitudes, share);
    }

    private static void add(double[] sums, double[] magnitudes, double factor, double magnitude, double[] terms) {
        for (int d = 0; d < sums.length; d++) {
            sums[d] += factor * terms[d];
            magnitudes[d] += magnitude * Math.abs(terms[d]);
        }
    }

    private static double norms(double[] a, double[] b) {
        return Math.sqrt(Reference.dot(a, a) * Reference.dot(b, b));
    }
}
