package org.dpo4j.conformance;

/** Log softmax of a row of logits at its target, in double precision. */
final class ReferenceTokenLogProb {
    private ReferenceTokenLogProb() {}

    static double maximum(double[] logits) {
        double maximum = Double.NEGATIVE_INFINITY;
        for (double logit : logits) {
            maximum = Math.max(maximum, logit);
        }
        return maximum;
    }

    /** log(sum of exp(logits - maximum)). */
    static double logSum(double[] logits) {
        double maximum = maximum(logits);
        double sum = 0;
        for (double logit : logits) {
            sum += Math.exp(logit - maximum);
        }
        return Math.log(sum);
    }

    static double lse(double[] logits) {
        return maximum(logits) + logSum(logits);
    }

    static double forward(double[] logits, int target) {
        return logits[target] - maximum(logits) - logSum(logits);
    }

    /** d_logits of one row, from the lse that forward kept. */
    static double[] backward(double[] logits, int target, double lse, double dLogProb) {
        double[] dLogits = new double[logits.length];
        for (int j = 0; j < logits.length; j++) {
            dLogits[j] = dLogProb * ((j == target ? 1 : 0) - Math.exp(logits[j] - lse));
        }
        return dLogits;
    }
}
