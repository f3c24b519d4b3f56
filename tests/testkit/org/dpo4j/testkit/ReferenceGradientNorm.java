package org.dpo4j.testkit;

/** Global L2 norm and the clip factor of torch.nn.utils.clip_grad_norm_, in double precision. */
public final class ReferenceGradientNorm {
    private ReferenceGradientNorm() {}

    public static double norm(double[] gradient) {
        double squares = 0;
        for (double g : gradient) {
            squares += g * g;
        }
        return Math.sqrt(squares);
    }

    public static double clip(double norm, double maxNorm) {
        return maxNorm == 0 ? 1 : Math.min(1, maxNorm / (norm + 1e-6));
    }
}
