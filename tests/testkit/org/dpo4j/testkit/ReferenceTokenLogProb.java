package org.dpo4j.testkit;

import org.dpo4j.kernels.DType;

/** Log softmax of a row of logits at its target, in double precision. */
public final class ReferenceTokenLogProb {
    private ReferenceTokenLogProb() {}

    public static double maximum(double[] logits) {
        double maximum = Double.NEGATIVE_INFINITY;
        for (double logit : logits) {
            maximum = Math.max(maximum, logit);
        }
        return maximum;
    }

    /** log(sum of exp(logits - maximum)). */
    public static double logSum(double[] logits) {
        double maximum = maximum(logits);
        double sum = 0;
        for (double logit : logits) {
            sum += Math.exp(logit - maximum);
        }
        return Math.log(sum);
    }

    public static double lse(double[] logits) {
        return maximum(logits) + logSum(logits);
    }

    public static double forward(double[] logits, int target) {
        return logits[target] - maximum(logits) - logSum(logits);
    }

    /** -sum of p log p, in nats, where p is the softmax. */
    public static double entropy(double[] logits) {
        double maximum = maximum(logits);
        double logSum = logSum(logits);
        double entropy = logSum;
        for (double logit : logits) {
            double p = Math.exp(logit - maximum - logSum);
            entropy += p == 0 ? 0 : p * (maximum - logit);
        }
        return entropy;
    }

    /** 1 if the target is the argmax (the first, if several are equal), else 0. */
    public static double hit(double[] logits, int target) {
        int first = 0;
        for (int j = 1; j < logits.length; j++) {
            if (logits[j] > logits[first]) {
                first = j;
            }
        }
        return target == first ? 1 : 0;
    }

    /** The mean of the logits that are not -inf. */
    public static double meanLogit(double[] logits) {
        double sum = 0;
        int count = 0;
        for (double logit : logits) {
            if (logit > Double.NEGATIVE_INFINITY) {
                sum += logit;
                count++;
            }
        }
        return sum / count;
    }

    /** log(sum of p^2), where p is the softmax. */
    public static double logSumOfSquares(double[] logits) {
        double maximum = maximum(logits);
        double logSum = logSum(logits);
        double sum = 0;
        for (double logit : logits) {
            sum += Math.exp(2 * (logit - maximum));
        }
        return Math.log(sum) - 2 * logSum;
    }

    /** WPO's log weight (Zhou et al. 2024, equation 2): logprob - log(sum of p^2). */
    public static double logWeight(double[] logits, int target) {
        return forward(logits, target) - logSumOfSquares(logits);
    }

    /** Log-prob and lse of a row. */
    public static Expected forwardNumbers(double[] logits, int target) {
        double[] values = {forward(logits, target), lse(logits)};
        return new Expected(values, new double[] {Tolerance.logProb(logits, target), Tolerance.lse(logits)});
    }

    /**
     * d_logits of one row as stored, from the lse that forward stored.
     *
     * @param isOnePass whether forward and backward are one call
     */
    public static Expected backward(
            DType dtype, double[] logits, int target, double lse, double dLogProb, boolean isOnePass) {
        double logSum = isOnePass ? logSum(logits) : 0;
        return Expected.stored(
                dtype,
                backward(logits, target, lse, dLogProb),
                j -> isOnePass
                        ? Tolerance.logProbBackwardInOnePass(logits[j], lse, logSum, dLogProb, j == target)
                        : Tolerance.logProbBackward(logits[j], lse, dLogProb, j == target));
    }

    /** d_logits of one row, from the lse that forward stored. */
    public static double[] backward(double[] logits, int target, double lse, double dLogProb) {
        double[] dLogits = new double[logits.length];
        for (int j = 0; j < logits.length; j++) {
            dLogits[j] = dLogProb * ((j == target ? 1 : 0) - Math.exp(logits[j] - lse));
        }
        return dLogits;
    }
}
