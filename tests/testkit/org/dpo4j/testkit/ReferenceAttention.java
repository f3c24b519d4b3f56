package org.dpo4j.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.kernels.decoder.Segment;
import org.jspecify.annotations.Nullable;

/**
 * Causal grouped-query attention over packed segments, in double precision. It processes one query of one head at a
 * time, with all its scores in memory. {@link #withLimits} adds a window and a soft cap.
 */
public final class ReferenceAttention {
    public final int heads;
    public final int kvHeads;
    public final int headWidth;
    public final double scale;
    final double[] q;
    final double[] k;
    final double[] v;
    final double softCap;
    private final int window;
    private final List<Segment> segments;
    private @Nullable List<View> views;

    /** q is [rows, heads, headWidth], k and v [rows, kvHeads, headWidth], without gaps. */
    public ReferenceAttention(
            int heads,
            int kvHeads,
            int headWidth,
            double scale,
            double[] q,
            double[] k,
            double[] v,
            List<Segment> segments) {
        this(heads, kvHeads, headWidth, scale, q, k, v, segments, 0, 0);
    }

    private ReferenceAttention(
            int heads,
            int kvHeads,
            int headWidth,
            double scale,
            double[] q,
            double[] k,
            double[] v,
            List<Segment> segments,
            int window,
            double softCap) {
        this.heads = heads;
        this.kvHeads = kvHeads;
        this.headWidth = headWidth;
        this.scale = scale;
        this.q = q;
        this.k = k;
        this.v = v;
        this.segments = segments;
        this.window = window;
        this.softCap = softCap;
    }

    /**
     * The same with a window (a query sees itself and the {@code window - 1} keys before it) and a soft cap of the
     * scores; 0 is none.
     */
    public ReferenceAttention withLimits(int keys, double cap) {
        return new ReferenceAttention(heads, kvHeads, headWidth, scale, q, k, v, segments, keys, cap);
    }

    /** One query row and head, the key rows it sees, and its score for each. */
    public record View(int query, int head, int[] keys, double[] scores) {
        public double lse() {
            return ReferenceTokenLogProb.lse(scores);
        }
    }

    public List<View> views() {
        if (views == null) {
            views = seen();
        }
        return views;
    }

    private List<View> seen() {
        List<View> views = new ArrayList<>();
        for (Segment segment : segments) {
            for (int i = 0; i < segment.queryCount(); i++) {
                int[] keys = keys(segment, i);
                for (int head = 0; head < heads; head++) {
                    views.add(view(segment.queryBegin() + i, head, keys));
                }
            }
        }
        return views;
    }

    private int[] keys(Segment segment, int i) {
        int count = segment.prefixCount() + segment.keyOffset() + i + 1;
        return IntStream.concat(
                        IntStream.range(segment.prefixBegin(), segment.prefixBegin() + segment.prefixCount()),
                        IntStream.rangeClosed(segment.keyBegin(), segment.keyBegin() + segment.keyOffset() + i))
                .skip(window == 0 ? 0 : Math.max(0, count - window))
                .toArray();
    }

    /** Rows of the keys that a query sees, in ascending order if its prefix is before its segment. */
    public int[] keys(int query) {
        for (Segment segment : segments) {
            int i = query - segment.queryBegin();
            if (i >= 0 && i < segment.queryCount()) {
                return keys(segment, i);
            }
        }
        throw new IllegalArgumentException("row " + query + " is in no segment");
    }

    public View view(int query, int head) {
        return view(query, head, keys(query));
    }

    /** Scores of some of the keys that a query sees. */
    public View view(int query, int head, int[] keys) {
        double[] scores = new double[keys.length];
        for (int j = 0; j < keys.length; j++) {
            double product = scale * dot(q, atQuery(query, head), k, atKey(keys[j], head));
            scores[j] = softCap == 0 ? product : softCap * Math.tanh(product / softCap);
        }
        return new View(query, head, keys, scores);
    }

    /** Index of the first element of a head of a query row, in q, out and their gradients. */
    public int atQuery(int query, int head) {
        return (query * heads + head) * headWidth;
    }

    /** Index of the first element of the key head that a query head uses, in k and v. */
    public int atKey(int key, int head) {
        return (key * kvHeads + head / (heads / kvHeads)) * headWidth;
    }

    public double q(int index) {
        return q[index];
    }

    public double k(int index) {
        return k[index];
    }

    public double v(int index) {
        return v[index];
    }

    public double[] forward(View view) {
        double lse = view.lse();
        double[] out = new double[headWidth];
        for (int j = 0; j < view.keys.length; j++) {
            double p = Math.exp(view.scores[j] - lse);
            int value = atKey(view.keys[j], view.head);
            for (int d = 0; d < headWidth; d++) {
                out[d] += p * v[value + d];
            }
        }
        return out;
    }

    public record Gradients(double[] dQ, double[] dK, double[] dV) {}

    /** Gradients from out and lse as forward stored them. */
    public Gradients backward(double[] dOut, double[] out, double[] lse) {
        return backward(views(), dOut, out, lse);
    }

    /** The part of the gradients that some views add. */
    public Gradients backward(List<View> views, double[] dOut, double[] out, double[] lse) {
        Gradients gradients = new Gradients(new double[q.length], new double[k.length], new double[v.length]);
        for (View view : views) {
            int query = atQuery(view.query, view.head);
            double delta = dot(dOut, query, out, query);
            for (int j = 0; j < view.keys.length; j++) {
                int key = atKey(view.keys[j], view.head);
                double p = Math.exp(view.scores[j] - lse[view.query * heads + view.head]);
                double dScore = p * (dot(dOut, query, v, key) - delta) * slope(view.scores[j]);
                for (int d = 0; d < headWidth; d++) {
                    gradients.dQ[query + d] += scale * dScore * k[key + d];
                    gradients.dK[key + d] += scale * dScore * q[query + d];
                    gradients.dV[key + d] += p * dOut[query + d];
                }
            }
        }
        return gradients;
    }

    /** The derivative of a score by {@code scale q k^T}: 1 - tanh^2 with a soft cap. */
    double slope(double score) {
        return softCap == 0 ? 1 : 1 - (score / softCap) * (score / softCap);
    }

    public double dot(double[] a, int atA, double[] b, int atB) {
        double sum = 0;
        for (int d = 0; d < headWidth; d++) {
            sum += a[atA + d] * b[atB + d];
        }
        return sum;
    }
}
