package org.dpo4j.conformance;

import java.util.Arrays;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceLoss.PairLogProbs;
import org.dpo4j.kernels.PreferenceLoss.PairResults;
import org.dpo4j.kernels.PreferenceLoss.Scale;
import org.dpo4j.kernels.PreferenceOptions.Divergence;
import org.dpo4j.kernels.SequenceSum;
import org.dpo4j.kernels.SequenceSum.Sequences;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Logits;
import org.dpo4j.kernels.TokenLogProb.LogitsGradient;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.ReferenceSequenceSum;
import org.dpo4j.testkit.ReferenceTokenLogProb;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

/**
 * Runs the operations of a step on one device, from logits to losses and back, and compares with central differences of
 * the same chain in double precision. This tests that the operations fit together, including signs and factors.
 */
class TokenLogProbChainTest {
    private static final int VOCABULARY = 11;

    /** Completions of three pairs: chosen, rejected, chosen, ... */
    private static final int[] OFFSETS = {0, 3, 5, 6, 10, 12, 15};

    private static final int TOKENS = 15;
    private static final int PAIRS = 3;
    private static final float PAIR_SCALE = 0.25f;

    /**
     * Step of differences with respect to logits. Their error is h^2 / 6 times a third derivative of a few units, plus
     * the rounding of a loss of a few units, divided by h.
     */
    private static final double H = 1e-5;

    private static final double OF_DIFFERENCES = 1e-8;

    private record Left(double[] logits, double[] reference, double[] losses, double[] dLogits) {}

    /** The whole chain for one loss in double precision. */
    private record Chain(PreferenceVariant variant, int[] targets, double[] reference) {
        double[] row(double[] logits, int token) {
            return Arrays.copyOfRange(logits, token * VOCABULARY, (token + 1) * VOCABULARY);
        }

        double[] sums(double[] logits) {
            double[] logProbs = IntStream.range(0, TOKENS)
                    .mapToDouble(token -> ReferenceTokenLogProb.forward(row(logits, token), targets[token]))
                    .toArray();
            return ReferenceSequenceSum.forward(logProbs, OFFSETS, 1, 1, false);
        }

        double[] losses(double[] sums) {
            return variant.losses(call(sums, reference), sums, 0);
        }

        /** d (scaled sum of losses) / d x by central differences of f. */
        double[] gradient(double[] x, double h, ToDoubleFunction<double[]> f) {
            double[] gradient = new double[x.length];
            double[] moved = x.clone();
            for (int i = 0; i < x.length; i++) {
                moved[i] = x[i] + h;
                double above = f.applyAsDouble(moved);
                moved[i] = x[i] - h;
                gradient[i] = PAIR_SCALE * (above - f.applyAsDouble(moved)) / (2 * h);
                moved[i] = x[i];
            }
            return gradient;
        }

        double[] dLogits(double[] logits) {
            return gradient(logits, H, x -> Arrays.stream(losses(sums(x))).sum());
        }

        double[] dSums(double[] sums) {
            return gradient(sums, H, x -> Arrays.stream(losses(x)).sum());
        }
    }

    private static PreferenceCall call(double[] sums, double[] reference) {
        return new PreferenceCall(sums, reference, lengths(), null, null, null, PAIR_SCALE, 0);
    }

    private static int[] lengths() {
        return IntStream.range(0, 2 * PAIRS)
                .map(i -> OFFSETS[i + 1] - OFFSETS[i])
                .toArray();
    }

    private static Left run(On on, PreferenceVariant variant, double[] random, int[] targetsOf, double[] frozen) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor logits = tensors.input("logits", DType.F32, TOKENS, VOCABULARY, 12, random);
            Tensor targets = tensors.input("targets", targetsOf);
            Tensor offsets = tensors.input("offsets", OFFSETS);
            Tensor lengths = tensors.input("lengths", lengths());
            Tensor reference = tensors.vector("reference", DType.F32, frozen);
            Tensor logprob = tensors.output("logprob", DType.F32, 1, TOKENS);
            Tensor lse = tensors.output("lse", DType.F32, 1, TOKENS);
            Tensor sums = tensors.output("sums", DType.F32, 1, 2 * PAIRS);
            Tensor losses = tensors.output("losses", DType.F32, 1, PAIRS);
            Tensor dSums = tensors.output("d_sums", DType.F32, 1, 2 * PAIRS);
            Tensor dLogProb = tensors.output("d_logprob", DType.F32, 1, TOKENS);
            Tensor dLogits = tensors.output("d_logits", DType.F32, TOKENS, VOCABULARY, 12);
            Logits chained = new Logits(logits.address(), VOCABULARY, 12, DType.F32);
            Sequences sequences = new Sequences(offsets.address(), 2 * PAIRS);
            tensors.run(device -> {
                TokenLogProb.forward(
                        device,
                        new TokenLogProb.TokenResults(logprob.address(), lse.address()),
                        chained,
                        targets.address(),
                        TOKENS);
                SequenceSum.forward(device, sums.address(), logprob.address(), sequences);
                PreferenceLoss.compute(
                        device,
                        new PairResults(losses.address(), dSums.address()),
                        new PairLogProbs(
                                sums.address(),
                                variant.options().hasReference() ? reference.address() : 0,
                                lengths.address(),
                                0),
                        PAIRS,
                        PreferenceLoss.NO_WORKSPACE,
                        new Scale(PAIR_SCALE),
                        variant.options());
                SequenceSum.backward(device, dLogProb.address(), dSums.address(), sequences);
                TokenLogProb.backward(
                        device,
                        new LogitsGradient(dLogits.address(), 12, DType.F32),
                        chained,
                        targets.address(),
                        lse.address(),
                        dLogProb.address(),
                        TOKENS);
            });
            return new Left(logits.values(), reference.values(), losses.values(), dLogits.values());
        }
    }

    @OnEachDevice
    @Tag("small")
    void gradientsOfLosses(On on) {
        for (LossType loss : new LossType[] {
            LossType.SIGMOID,
            LossType.IPO,
            LossType.BCO_PAIR,
            LossType.APO_DOWN,
            LossType.CPO,
            LossType.SIMPO,
            LossType.ORPO
        }) {
            for (long seed = 0; seed < 3; seed++) {
                check(on, PreferenceVariant.of(0, Divergence.REVERSE_KL, false, loss), seed);
            }
        }
        check(on, PreferenceVariant.of(0.3f, Divergence.JS_DIVERGENCE, false, LossType.SIGMOID), 3);
        check(on, PreferenceVariant.of(0, Divergence.REVERSE_KL, false, LossType.SIGMOID, LossType.NCA_PAIR), 4);
    }

    private static void check(On on, PreferenceVariant variant, long seed) {
        Draw draw = new Draw(seed);
        int[] targets = draw.indices(TOKENS, VOCABULARY);
        double[] random = draw.normal(TOKENS * VOCABULARY, 2);
        double[] frozen = draw.uniform(2 * PAIRS, -15, -3);
        Left left = run(on, variant, random, targets, frozen);
        Chain chain = new Chain(variant, targets, left.reference);
        String what = "%s, seed %d".formatted(variant, seed);
        double[] sums = chain.sums(left.logits);
        double[] ofSums = new double[2 * PAIRS];
        for (int s = 0; s < ofSums.length; s++) {
            for (int token = OFFSETS[s]; token < OFFSETS[s + 1]; token++) {
                ofSums[s] += Tolerance.logProb(chain.row(left.logits, token), targets[token]);
            }
            ofSums[s] += Tolerance.roundedOnce(sums[s]);
        }
        double[] dSums = chain.dSums(sums);
        double[] losses = chain.losses(sums);
        Expect.near(
                what + " losses",
                left.losses,
                losses,
                i -> Tolerance.roundedOnce(losses[i])
                        + (Math.abs(dSums[2 * i]) * ofSums[2 * i] + Math.abs(dSums[2 * i + 1]) * ofSums[2 * i + 1])
                                / PAIR_SCALE
                                * 1.001);
        checkGradient(what, chain, left, ofSums);
    }

    /**
     * The error of a sum changes d_sums by its slope times the error. This error and the rounding of d_sums are
     * propagated through the gradient of the softmax, which has the error of the lse.
     */
    private static void checkGradient(String what, Chain chain, Left left, double[] ofSums) {
        double[] sums = chain.sums(left.logits);
        double[] dSums = chain.dSums(sums);
        double[] ofDSums = slopes(chain, sums, ofSums);
        double[] expected = chain.dLogits(left.logits);
        double[] allowed = new double[expected.length];
        for (int s = 0; s < dSums.length; s++) {
            for (int token = OFFSETS[s]; token < OFFSETS[s + 1]; token++) {
                double[] logits = chain.row(left.logits, token);
                double lse = ReferenceTokenLogProb.lse(logits);
                double ofLse = Math.expm1(Tolerance.lse(logits));
                for (int j = 0; j < VOCABULARY; j++) {
                    boolean target = j == chain.targets[token];
                    double p = Math.exp(logits[j] - lse);
                    double off = ofDSums[s] + Tolerance.roundedOnce(dSums[s]);
                    allowed[token * VOCABULARY + j] = off * Math.abs((target ? 1 : 0) - p)
                            + Tolerance.logProbBackward(logits[j], lse, dSums[s], target)
                            + Math.abs(dSums[s]) * p * ofLse
                            + OF_DIFFERENCES;
                }
            }
        }
        Expect.near(what + " d_logits", left.dLogits, expected, i -> allowed[i] * 1.01);
    }

    /**
     * How far d_sums may differ if sums have the errors {@code off}. Computed by second differences, whose error is at
     * most 1 % of the min result.
     */
    private static double[] slopes(Chain chain, double[] sums, double[] off) {
        double[] slopes = new double[sums.length];
        double step = 1e-3;
        for (int k = 0; k < sums.length; k++) {
            double[] above = sums.clone();
            double[] below = sums.clone();
            above[k] += step;
            below[k] -= step;
            double[] high = chain.dSums(above);
            double[] low = chain.dSums(below);
            double ofSum = off[k];
            Arrays.setAll(slopes, i -> slopes[i] + Math.abs(high[i] - low[i]) / (2 * step) * ofSum);
        }
        return slopes;
    }
}
