package org.dpo4j.conformance;

import java.util.List;
import org.dpo4j.conformance.LmHeadRun.Left;
import org.dpo4j.conformance.LmHeadRun.Way;
import org.dpo4j.testkit.ReferenceTokenLogProb;
import org.junit.jupiter.api.Tag;

/** Compares gradients of hidden rows, matrix and bias with central differences of the log-probs in double precision. */
class LmHeadDifferencesTest {

    /**
     * Step of the differences. Their error is h^2 / 6 times a third derivative of a few units, plus the rounding of a
     * loss of a few units, divided by h.
     */
    private static final double H = 1e-5;

    private static final double OF_DIFFERENCES = 1e-8;

    private record Point(LmHeadCall call, double[] x, double[] w, double[] bias, double[] dLogProb) {

        /** The sum of dLogProb * logprob, whose derivatives are the gradients. */
        double loss() {
            LogitTransform transform = new LogitTransform(
                    bias, call.transform().scale(), call.transform().cap());
            double loss = 0;
            for (int row = 0; row < call.rows(); row++) {
                double[] z = new double[call.vocabulary()];
                for (int j = 0; j < z.length; j++) {
                    double logit = 0;
                    for (int k = 0; k < call.hidden(); k++) {
                        logit += x[row * call.hidden() + k] * w[j * call.hidden() + k];
                    }
                    double scaled = (float) transform.scale() * (logit + bias[j]);
                    double cap = (float) transform.cap();
                    z[j] = cap == 0 ? scaled : cap * Math.tanh(scaled / cap);
                }
                loss += dLogProb[row] * ReferenceTokenLogProb.forward(z, call.targets()[row]);
            }
            return loss;
        }

        double[] gradient(double[] by, double[] before) {
            double[] gradient = before.clone();
            for (int i = 0; i < by.length; i++) {
                double here = by[i];
                by[i] = here + H;
                double above = loss();
                by[i] = here - H;
                gradient[i] += (above - loss()) / (2 * H);
                by[i] = here;
            }
            return gradient;
        }
    }

    @OnEachDevice
    @Tag("small")
    void gradientsAreDerivatives(On on) {
        int vocabulary = 13;
        LmHeadCall call = LmHeadCall.random(5, vocabulary, 8);
        for (LogitTransform transform : List.of(
                LogitTransform.random(vocabulary, 1, 1, 0),
                LogitTransform.random(vocabulary, 1, 0.4, 0),
                LogitTransform.random(vocabulary, 1, 1, 2.5),
                LogitTransform.random(vocabulary, 1, 3, 6))) {
            for (Way way : List.of(Way.KNOWN, Way.UNIT)) {
                check(on, call.withTransform(transform), way, 5);
                check(on, call.withTransform(transform), way, 2);
            }
        }
    }

    private static void check(On on, LmHeadCall call, Way way, int chunkRows) {
        Left left = LmHeadRun.of(on, call, way, chunkRows);
        ReferenceLmHead tolerance = ReferenceLmHead.of(call, left, 0);
        double[] bias = call.transform().bias() == null
                ? new double[call.vocabulary()]
                : call.transform().bias().clone();
        for (int j = 0; j < bias.length; j++) {
            bias[j] = (float) bias[j];
        }
        Point at = new Point(call, left.x(), left.w(), bias, left.dLogProb());
        String what = "%s %s, chunks of %d".formatted(way, call, chunkRows);
        Expect.near(
                what + " d_hidden",
                left.dHidden(),
                at.gradient(at.x, new double[at.x.length]),
                i -> tolerance.ofDHidden[i] + OF_DIFFERENCES);
        Expect.near(
                what + " d_weight",
                left.dWeight(),
                at.gradient(at.w, left.dWeightBefore()),
                i -> tolerance.ofDWeight[i] + OF_DIFFERENCES);
        Expect.near(
                what + " d_bias",
                left.dBias(),
                at.gradient(at.bias, left.dBiasBefore()),
                i -> tolerance.ofDBias[i] + OF_DIFFERENCES);
    }
}
