package org.dpo4j.testkit;

import static org.dpo4j.testkit.Functions.logSigmoid;
import static org.dpo4j.testkit.Functions.sigmoid;

import java.util.Arrays;
import java.util.Comparator;
import java.util.Map;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceOptions.Divergence;
import org.dpo4j.kernels.PreferenceOptions.Scalar;

/**
 * The losses of pairs in double precision, each formula as its paper or TRL writes it. They may overflow or lose digits
 * if inputs are extreme. Tests compute gradients as central differences of these losses.
 *
 * @param sums chosen, rejected of each pair
 * @param reference likewise; zeros for the reference-free loss
 * @param lengths likewise
 */
public record ReferencePreferenceLoss(Options options, double[] sums, double[] reference, int[] lengths) {

    /** Numbers as the kernel receives them. */
    public record Options(
            double beta,
            double labelSmoothing,
            Divergence divergence,
            double divergenceAlpha,
            Map<Scalar, Float> scalars,
            double shift,
            double sftScale) {}

    private double option(Scalar scalar) {
        return options.scalars.getOrDefault(scalar, Float.NaN);
    }

    public int pairs() {
        return sums.length / 2;
    }

    private double score(double u) {
        return switch (options.divergence) {
            case REVERSE_KL -> u;
            case FORWARD_KL -> 1 - Math.exp(Math.min(-u, 80));
            case JS_DIVERGENCE -> Math.log(2) + logSigmoid(u);
            case ALPHA_DIVERGENCE -> {
                double a = options.divergenceAlpha;
                yield Math.abs(a - 1) < 1e-6 ? u : (Math.exp(Math.min((a - 1) * u, 80)) - 1) / (a - 1);
            }
        };
    }

    private double smoothed(double x) {
        double e = options.labelSmoothing;
        return -(1 - e) * logSigmoid(x) - e * logSigmoid(-x);
    }

    private double ratio(int completion) {
        return sums[completion] - reference[completion];
    }

    private double average(int completion) {
        return sums[completion] / Math.max(1, lengths[completion]);
    }

    private double averageScore(int completion) {
        return score(ratio(completion)) / Math.max(1, lengths[completion]);
    }

    /** The loss of every pair. A loss that sorts reports the k-th loss at the pair of the k-th first number. */
    public double[] losses(LossType type) {
        return switch (type) {
            case AOT -> sorted(i -> sums[2 * i] - sums[2 * i + 1], i -> reference[2 * i] - reference[2 * i + 1]);
            case AOT_UNPAIRED -> sorted(i -> ratio(2 * i), i -> ratio(2 * i + 1));
            default ->
                IntStream.range(0, pairs()).mapToDouble(i -> loss(type, i)).toArray();
        };
    }

    private double[] sorted(IntToDoubleFunction first, IntToDoubleFunction second) {
        Integer[] byFirst = order(first);
        Integer[] bySecond = order(second);
        double[] losses = new double[pairs()];
        for (int k = 0; k < losses.length; k++) {
            losses[byFirst[k]] =
                    smoothed(options.beta * (first.applyAsDouble(byFirst[k]) - second.applyAsDouble(bySecond[k])));
        }
        return losses;
    }

    private Integer[] order(IntToDoubleFunction key) {
        Integer[] order = IntStream.range(0, pairs()).boxed().toArray(Integer[]::new);
        Arrays.sort(order, Comparator.comparingDouble(key::applyAsDouble));
        return order;
    }

    private double loss(LossType type, int i) {
        double b = options.beta;
        double e = options.labelSmoothing;
        int c = 2 * i;
        int r = c + 1;
        double ratioC = ratio(c);
        double ratioR = ratio(r);
        double x = b * (score(ratioC) - score(ratioR));
        double policy = b * (sums[c] - sums[r]);
        return switch (type) {
            case SIGMOID -> smoothed(x);
            case HINGE -> Math.max(0, 1 - x);
            case IPO -> Math.pow(averageScore(c) - averageScore(r) - 1 / (2 * b), 2);
            case EXO_PAIR ->
                sigmoid(x) * (logSigmoid(x) - Math.log(1 - e)) + sigmoid(-x) * (logSigmoid(-x) - Math.log(e));
            case NCA_PAIR -> -logSigmoid(b * ratioC) - 0.5 * logSigmoid(-b * ratioC) - 0.5 * logSigmoid(-b * ratioR);
            case ROBUST -> (-(1 - e) * logSigmoid(x) + e * logSigmoid(-x)) / (1 - 2 * e);
            case BCO_PAIR -> -logSigmoid(b * ratioC - options.shift) - logSigmoid(-(b * ratioR - options.shift));
            case SPPO_HARD -> Math.pow(ratioC - 1 / (2 * b), 2) + Math.pow(ratioR + 1 / (2 * b), 2);
            case APO_ZERO -> 1 - sigmoid(b * ratioC) + sigmoid(b * ratioR);
            case APO_DOWN -> sigmoid(b * ratioC) + 1 - sigmoid(b * (ratioC - ratioR));
            case DISCOPOP -> {
                double m = sigmoid(x / option(Scalar.DISCOPOP_TAU));
                yield -logSigmoid(x) * (1 - m) + Math.exp(-x) * m;
            }
            case SFT -> -sums[c] * options.sftScale;
            case SIGMOID_NORM -> -logSigmoid(b * (averageScore(c) - averageScore(r)));
            case DPOP ->
                -logSigmoid(b * (ratioC - ratioR - option(Scalar.DPOP_LAMBDA) * Math.max(0, reference[c] - sums[c])));
            case DPOP_ADDITIVE ->
                -logSigmoid(b * (ratioC - ratioR)) + option(Scalar.DPOP_LAMBDA) * Math.max(0, reference[c] - sums[c]);
            case CPO -> smoothed(policy);
            case CPO_HINGE -> Math.max(0, 1 - policy);
            case CPO_IPO -> Math.pow(average(c) - average(r) - 1 / (2 * b), 2);
            case SIMPO -> smoothed(b * (average(c) - average(r)) - option(Scalar.SIMPO_GAMMA));
            case ALPHAPO ->
                smoothed(b * (alphaReward(average(c)) - alphaReward(average(r))) - option(Scalar.SIMPO_GAMMA));
            case ORPO -> -b * logSigmoid(logOdds(average(c)) - logOdds(average(r)));
            case AOT, AOT_UNPAIRED -> throw new IllegalArgumentException(type + " is no loss of one pair");
        };
    }

    private double alphaReward(double average) {
        double alpha = option(Scalar.ALPHAPO_ALPHA);
        return alpha == 0 ? average : (1 - Math.exp(Math.min(-alpha * average, 80))) / alpha;
    }

    private static double logOdds(double average) {
        double a = Math.min(average, -0x1p-24);
        return a - Math.log(-Math.expm1(a));
    }
}
