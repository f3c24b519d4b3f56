package org.dpo4j.conformance;

/** The losses of a pair from its four sums, in double precision (Rafailov et al. 2023, eq. 7; label smoothing: conservative DPO). */
final class ReferencePreferenceLoss {
    private ReferencePreferenceLoss() {}

    /** beta ((pi_c - ref_c) - (pi_r - ref_r)). */
    static double margin(
            double beta, double chosen, double rejected, double referenceChosen, double referenceRejected) {
        return beta * (chosen - referenceChosen) - beta * (rejected - referenceRejected);
    }

    static double sigmoid(double margin, double smoothing) {
        // A term with weight 0 is not there: 0 times its infinity would be NaN.
        double right = smoothing == 1 ? 0 : (1 - smoothing) * softplus(-margin);
        double wrong = smoothing == 0 ? 0 : smoothing * softplus(margin);
        return right + wrong;
    }

    /** d loss / d margin. */
    static double sigmoidSlope(double margin, double smoothing) {
        return smoothing / (1 + Math.exp(-margin)) - (1 - smoothing) / (1 + Math.exp(margin));
    }

    private static double softplus(double x) {
        return x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
    }
}
