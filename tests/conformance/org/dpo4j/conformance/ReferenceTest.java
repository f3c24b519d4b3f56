package org.dpo4j.conformance;

import static org.dpo4j.testkit.AttentionLayout.shared;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import org.dpo4j.kernels.decoder.Activation.Kind;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.testkit.AttentionLayout;
import org.dpo4j.testkit.AttentionLayout.Family;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.ReferenceActivation;
import org.dpo4j.testkit.ReferenceAttention;
import org.dpo4j.testkit.ReferenceEmbedding;
import org.dpo4j.testkit.ReferenceLayerNorm;
import org.dpo4j.testkit.ReferenceRmsNorm;
import org.dpo4j.testkit.ReferenceRope;
import org.dpo4j.testkit.ReferenceSequenceSum;
import org.dpo4j.testkit.ReferenceTokenLogProb;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Test;

/**
 * Compares the gradients of the references with central differences of their forward, because every device is compared
 * with the references.
 *
 * <p>With step h, the error of a difference is h^2 / 6 times a third derivative plus 2^-53 |f| / h times the number of
 * roundings of f. With h = 1e-5, and derivatives and f of order 10, both are below 1e-8, the tolerance.
 */
class ReferenceTest {
    private static final double H = 1e-5;
    private static final double ALLOWED = 1e-8;

    /** Gradient of f at x by central differences. */
    private static double[] differences(double[] x, ToDoubleFunction<double[]> f) {
        double[] gradient = new double[x.length];
        double[] moved = x.clone();
        for (int i = 0; i < x.length; i++) {
            moved[i] = x[i] + H;
            double above = f.applyAsDouble(moved);
            moved[i] = x[i] - H;
            gradient[i] = (above - f.applyAsDouble(moved)) / (2 * H);
            moved[i] = x[i];
        }
        return gradient;
    }

    private static void same(String what, double[] gradient, double[] x, ToDoubleFunction<double[]> f) {
        Expect.near(what, gradient, differences(x, f), i -> ALLOWED);
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    @Test
    void rmsNorm() {
        Draw draw = new Draw(1);
        double[] x = draw.normal(9, 1);
        double[] weight = draw.normal(9, 1);
        double[] dOut = draw.normal(9, 1);
        double rstd = ReferenceRmsNorm.rstd(x, 1e-5);
        same(
                "d_x",
                ReferenceRmsNorm.backwardX(dOut, x, weight, rstd),
                x,
                at -> dot(dOut, ReferenceRmsNorm.forward(at, weight, ReferenceRmsNorm.rstd(at, 1e-5))));
        same(
                "d_weight",
                ReferenceRmsNorm.backwardWeight(dOut, x, rstd),
                weight,
                at -> dot(dOut, ReferenceRmsNorm.forward(x, at, rstd)));
    }

    @Test
    void layerNorm() {
        Draw draw = new Draw(8);
        double[] x = draw.normal(9, 1);
        double[] weight = draw.normal(9, 1);
        double[] bias = draw.normal(9, 1);
        double[] dOut = draw.normal(9, 1);
        ReferenceLayerNorm.Moments moments = ReferenceLayerNorm.moments(x, 1e-5);
        same(
                "d_x",
                ReferenceLayerNorm.backwardX(dOut, x, weight, moments),
                x,
                at -> dot(dOut, ReferenceLayerNorm.forward(at, weight, bias, ReferenceLayerNorm.moments(at, 1e-5))));
        same(
                "d_weight",
                ReferenceLayerNorm.backwardWeight(dOut, x, moments),
                weight,
                at -> dot(dOut, ReferenceLayerNorm.forward(x, at, bias, moments)));
        same("d_bias", dOut, bias, at -> dot(dOut, ReferenceLayerNorm.forward(x, weight, at, moments)));
    }

    /**
     * Compares with values of 25 digits. The error of a deviation is that of a sum of the row: 2^-53 of its magnitudes
     * times its width, with a few more for the other steps. The derivatives of y by deviations are weight * rstd.
     */
    @Test
    void layerNormOfExtremeRows() {
        for (JsonNode each : Golden.read("layer_norm.json")) {
            double[] x = Golden.numbers(each.get("x"));
            double[] w = Golden.numbers(each.get("weight"));
            double[] dOut = Golden.numbers(each.get("d_out"));
            ReferenceLayerNorm.Moments moments = ReferenceLayerNorm.moments(x, Golden.number(each.get("epsilon")));
            double ofX = Tolerance.doubles(
                    2 * x.length, Arrays.stream(x).map(Math::abs).sum());
            double relative = moments.rstd() * ofX + Tolerance.doubles(x.length, 1);
            String what = each.get("name").asText();
            double[] y = ReferenceLayerNorm.forward(x, w, Golden.numbers(each.get("bias")), moments);
            Expect.near(what, y, Golden.numbers(each.get("y")), j -> 10 * relative * (1 + Math.abs(w[j])));
            double[] exact = {Golden.number(each.get("mean")), Golden.number(each.get("rstd"))};
            Expect.near(
                    what,
                    new double[] {moments.mean(), moments.rstd()},
                    exact,
                    i -> i == 0 ? ofX : relative * exact[1]);
            double gradients = 0;
            for (int j = 0; j < x.length; j++) {
                gradients += Math.abs(w[j] * dOut[j]);
            }
            double ofGradients = 10 * x.length * relative * gradients;
            Expect.near(
                    what,
                    ReferenceLayerNorm.backwardX(dOut, x, w, moments),
                    Golden.numbers(each.get("d_x")),
                    j -> moments.rstd() * ofGradients);
            Expect.near(
                    what,
                    ReferenceLayerNorm.backwardWeight(dOut, x, moments),
                    Golden.numbers(each.get("d_weight")),
                    j -> 10 * relative * Math.abs(dOut[j]));
        }
    }

    @Test
    void rope() {
        Draw draw = new Draw(2);
        double[] cosine = Arrays.copyOfRange(ReferenceRope.table(6, 8, 1e4, false), 20, 24);
        double[] sine = Arrays.copyOfRange(ReferenceRope.table(6, 8, 1e4, true), 20, 24);
        for (int headWidth : new int[] {8, 11}) {
            double[] head = draw.normal(headWidth, 1);
            double[] dOut = draw.normal(headWidth, 1);
            same(
                    "d_x",
                    ReferenceRope.backward(dOut, cosine, sine),
                    head,
                    at -> dot(dOut, ReferenceRope.forward(at, cosine, sine)));
        }
    }

    @Test
    void activations() {
        for (Kind kind : Kind.values()) {
            for (double x : new double[] {-9, -3.1, -1.3, -0.75, 0, 0.4, 3.2, 7}) {
                double[] backward = {
                    ReferenceActivation.backwardX(kind, 0.7, x, -1.2), ReferenceActivation.backwardUp(kind, 0.7, x)
                };
                same(
                        kind + ": d_x, d_up",
                        backward,
                        new double[] {x, -1.2},
                        at -> 0.7 * ReferenceActivation.forward(kind, at[0], at[1]));
            }
        }
    }

    /**
     * Compares with values of 25 digits. The argument of the exponential in s is at most |x|^3 in magnitude from |x| = 2 on,
     * and at most 8 before. It is rounded up to six times, and an absolute error of it is a relative one of s. Everything
     * else is rounded fewer than 32 times. Values below 1e-300 may be 0.
     */
    @Test
    void activationsAtManyPoints() {
        for (JsonNode each : Golden.read("activation.json")) {
            double x = each.get("x").doubleValue();
            for (Kind kind : Kind.values()) {
                JsonNode expected = each.get(kind.name().toLowerCase(Locale.ROOT));
                double[] actual = {ReferenceActivation.forward(kind, x, 1), ReferenceActivation.backwardX(kind, 1, x, 1)
                };
                double[] values = {Golden.number(expected.get("value")), Golden.number(expected.get("slope"))};
                double factor = ReferenceActivation.factor(kind, x);
                double[] magnitudes = {Math.abs(x) * factor, factor + Math.abs(x) * ReferenceActivation.slope(kind, x)};
                double argument = 8 + Math.abs(x * x * x);
                Expect.near(
                        kind + " of " + x,
                        actual,
                        values,
                        i -> Tolerance.doubles(24, magnitudes[i] * argument) + 1e-300);
            }
        }
    }

    @Test
    void embedding() {
        int[] indices = {2, 0, 2, 1, 2};
        double[] dOut = new Draw(3).normal(15, 1);
        same(
                "d_table",
                ReferenceEmbedding.backward(dOut, 4, 3, indices),
                new Draw(4).normal(12, 1),
                at -> dot(dOut, ReferenceEmbedding.forward(at, 4, 3, indices)));
    }

    @Test
    void tokenLogProb() {
        double[] logits = new Draw(5).normal(7, 2);
        double lse = ReferenceTokenLogProb.lse(logits);
        same(
                "d_logits",
                ReferenceTokenLogProb.backward(logits, 4, lse, -1.3),
                logits,
                at -> -1.3 * ReferenceTokenLogProb.forward(at, 4));
    }

    /** Compares with 60-digit values. The tolerance is about a dozen fp64 roundings of numbers up to the logits. */
    @Test
    void tokenLogProbStatistics() {
        for (JsonNode each : Golden.read("token_logprob.json")) {
            double[] logits = Golden.numbers(each.get("logits"));
            int target = each.get("target").asInt();
            double[] expected = Stream.of("logprob", "lse", "entropy", "hit", "mean_logit", "log_weight")
                    .mapToDouble(name -> Golden.number(each.get(name)))
                    .toArray();
            double[] actual = {
                ReferenceTokenLogProb.forward(logits, target),
                ReferenceTokenLogProb.lse(logits),
                ReferenceTokenLogProb.entropy(logits),
                ReferenceTokenLogProb.hit(logits, target),
                ReferenceTokenLogProb.meanLogit(logits),
                ReferenceTokenLogProb.logWeight(logits, target)
            };
            double largest = Arrays.stream(logits)
                    .filter(Double::isFinite)
                    .map(Math::abs)
                    .max()
                    .orElseThrow();
            Expect.near(each.toString(), actual, expected, i -> Tolerance.doubles(40, 1 + largest));
        }
    }

    @Test
    void sequenceSum() {
        int[] offsets = {0, 3, 3, 7};
        double[] dSums = {0.5, 2, -1};
        same(
                "d_values",
                ReferenceSequenceSum.backward(dSums, offsets, 1, 1, false),
                new Draw(6).normal(7, 1),
                at -> dot(dSums, ReferenceSequenceSum.forward(at, offsets, 1, 1, false)));
    }

    @Test
    void attention() {
        attention(0, 0);
    }

    @Test
    void attentionWithLimits() {
        attention(2, 0);
        attention(0, 0.7);
        attention(3, 1.3);
    }

    private static void attention(int window, double softCap) {
        Draw draw = new Draw(7);
        List<Segment> segments = shared(new Family(3, 2, 1), new Family(1, 2, 3), new Family(2));
        int rows = AttentionLayout.rows(segments);
        double[] q = draw.normal(rows * 2 * 4, 1);
        double[] k = draw.normal(rows * 4, 1);
        double[] v = draw.normal(rows * 4, 1);
        double[] dOut = draw.normal(q.length, 1);
        ReferenceAttention attention =
                new ReferenceAttention(2, 1, 4, 0.5, q, k, v, segments).withLimits(window, softCap);
        ReferenceAttention.Gradients gradients =
                attention.backward(dOut, outputs(attention, rows), lses(attention, rows));
        same(
                "d_q",
                gradients.dQ(),
                q,
                at -> dot(
                        dOut,
                        outputs(
                                new ReferenceAttention(2, 1, 4, 0.5, at, k, v, segments).withLimits(window, softCap),
                                rows)));
        same(
                "d_k",
                gradients.dK(),
                k,
                at -> dot(
                        dOut,
                        outputs(
                                new ReferenceAttention(2, 1, 4, 0.5, q, at, v, segments).withLimits(window, softCap),
                                rows)));
        same(
                "d_v",
                gradients.dV(),
                v,
                at -> dot(
                        dOut,
                        outputs(
                                new ReferenceAttention(2, 1, 4, 0.5, q, k, at, segments).withLimits(window, softCap),
                                rows)));
    }

    private static double[] outputs(ReferenceAttention attention, int rows) {
        double[] out = new double[rows * 8];
        for (ReferenceAttention.View view : attention.views()) {
            System.arraycopy(attention.forward(view), 0, out, attention.atQuery(view.query(), view.head()), 4);
        }
        return out;
    }

    private static double[] lses(ReferenceAttention attention, int rows) {
        double[] lses = new double[rows * 2];
        for (ReferenceAttention.View view : attention.views()) {
            lses[view.query() * 2 + view.head()] = view.lse();
        }
        return lses;
    }
}
