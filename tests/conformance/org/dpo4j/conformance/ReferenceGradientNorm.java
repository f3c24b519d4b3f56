package org.dpo4j.conformance;

/** Global L2 norm and the clip factor of torch.nn.utils.clip_grad_norm_, in double precision. */
final class ReferenceGradientNorm {
    private ReferenceGradientNorm() {}

    static double norm(double[] gradient) {
        double squares = 0;
        for (double g : gradient) {
            squares += g * g;
        }
        return Math.sqrt(squares);
    }

    static double clip(double norm, double maxNorm) {
        return maxNorm == 0 ? 1 : Math.min(1, maxNorm / (norm + 1e-6));
    }
}
