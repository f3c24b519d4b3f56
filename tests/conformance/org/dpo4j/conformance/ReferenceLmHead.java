package org.dpo4j.conformance;

import java.nio.DoubleBuffer;
import java.nio.IntBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.conformance.LmHeadRun.Left;
import org.dpo4j.testkit.ReferenceTokenLogProb;
import org.dpo4j.testkit.Tolerance;

/**
 * An LM head in double precision on inputs as stored, and how far each result may differ. A logit is a sum of {@code
 * hidden} products. Its error is propagated through transform, softmax and gradient to first order; the remainder is at
 * most 1 % of it.
 */
final class ReferenceLmHead {
    private static final Remembered<ReferenceLmHead> KNOWN = new Remembered<>(4);

    final double[] logprob;
    final double[] lse;
    final double[] ofLogProb;
    final double[] ofLse;
    final double[] dHidden;
    final double[] ofDHidden;
    final double[] dWeight;
    final double[] ofDWeight;
    final double[] dBias;
    final double[] ofDBias;

    private final LmHeadCall call;
    private final Left left;
    private final double unit;

    /** The reference for the inputs of a run. {@code unit} is the relative rounding error of its storage. */
    static ReferenceLmHead of(LmHeadCall call, Left left, double unit) {
        LogitTransform transform = call.transform();
        List<Object> key = List.of(
                DoubleBuffer.wrap(left.x()),
                DoubleBuffer.wrap(left.w()),
                IntBuffer.wrap(call.targets()),
                DoubleBuffer.wrap(left.dLogProb()),
                DoubleBuffer.wrap(left.dWeightBefore()),
                DoubleBuffer.wrap(left.dBiasBefore()),
                DoubleBuffer.wrap(transform.bias() == null ? new double[0] : transform.bias()),
                transform.scale(),
                transform.cap(),
                call.hidden(),
                unit);
        return KNOWN.get(key, () -> new ReferenceLmHead(call, left, unit));
    }

    private ReferenceLmHead(LmHeadCall call, Left left, double unit) {
        this.call = call;
        this.left = left;
        this.unit = unit;
        int rows = call.rows();
        int vocabulary = call.vocabulary();
        logprob = new double[rows];
        lse = new double[rows];
        ofLogProb = new double[rows];
        ofLse = new double[rows];
        dHidden = new double[rows * call.hidden()];
        ofDHidden = new double[dHidden.length];
        dWeight = left.dWeightBefore().clone();
        ofDWeight = new double[dWeight.length];
        dBias = left.dBiasBefore().clone();
        ofDBias = new double[vocabulary];
        double[] ofWeights = Arrays.stream(dWeight).map(Math::abs).toArray();
        double[] ofBiases = Arrays.stream(dBias).map(Math::abs).toArray();
        for (int row = 0; row < rows; row++) {
            if (call.targets()[row] >= 0) {
                row(row, ofWeights, ofBiases);
            }
        }
        // `rows` products, and the sums of at most as many chunks
        Arrays.setAll(ofDWeight, i -> ofDWeight[i] + Tolerance.sum(2 * rows + 2, ofWeights[i]));
        Arrays.setAll(ofDBias, i -> ofDBias[i] + Tolerance.sum(2 * rows + 2, ofBiases[i]));
    }

    private double x(int row, int k) {
        return left.x()[row * call.hidden() + k];
    }

    private double w(int column, int k) {
        return left.w()[column * call.hidden() + k];
    }

    private void row(int row, double[] ofWeights, double[] ofBiases) {
        int vocabulary = call.vocabulary();
        int target = call.targets()[row];
        double[] logits = new double[vocabulary];
        double[] ofLogits = new double[vocabulary];
        for (int j = 0; j < vocabulary; j++) {
            double magnitude = 0;
            for (int k = 0; k < call.hidden(); k++) {
                logits[j] += x(row, k) * w(j, k);
                magnitude += Math.abs(x(row, k) * w(j, k));
            }
            ofLogits[j] = Tolerance.sum(call.hidden(), magnitude);
        }
        LogitTransform transform = call.transform();
        double[] z = transform.z(logits);
        double[] off = new double[vocabulary];
        Arrays.setAll(off, j -> transform.scale() * ofLogits[j] + transform.errorOfZ(z[j]));
        lse[row] = ReferenceTokenLogProb.lse(z);
        double[] p = Arrays.stream(z).map(each -> Math.exp(each - lse[row])).toArray();
        double shift = 1.01
                * IntStream.range(0, vocabulary).mapToDouble(j -> p[j] * off[j]).sum();
        ofLse[row] = Tolerance.lse(z) + shift;
        logprob[row] = ReferenceTokenLogProb.forward(z, target);
        ofLogProb[row] = Tolerance.logProb(z, target) + shift + off[target];
        double logSum = ReferenceTokenLogProb.logSum(z);
        double bend = transform.cap() == 0 ? 0 : 0.77 * transform.scale() * transform.scale() / transform.cap();
        double g = left.dLogProb()[row];
        double[] d = new double[vocabulary];
        double[] ofD = new double[vocabulary];
        for (int j = 0; j < vocabulary; j++) {
            double slope = transform.slope(logits[j], j);
            double byZ = (j == target ? 1 : 0) - p[j];
            d[j] = byZ * slope;
            ofD[j] = Tolerance.logProbBackwardInOnePass(z[j], lse[row], logSum, 1, j == target) * slope
                    + 1.01 * p[j] * (off[j] + ofLse[row]) * slope
                    + Math.abs(byZ) * (transform.errorOfSlope() + bend * ofLogits[j])
                    + 4 * Tolerance.U * Math.abs(d[j]) // transform; scale before or after the product
                    + unit * 1.01 * Math.abs(d[j])
                    + Float.MIN_NORMAL;
        }
        hidden(row, g, d, ofD);
        matrix(row, g, d, ofD, ofWeights, ofBiases);
    }

    /** Rounds to the storage twice: the product, and the scaled product. */
    private void hidden(int row, double g, double[] d, double[] ofD) {
        for (int k = 0; k < call.hidden(); k++) {
            double sum = 0;
            double magnitude = 0;
            double error = 0;
            for (int j = 0; j < d.length; j++) {
                sum += d[j] * w(j, k);
                magnitude += Math.abs(d[j] * w(j, k));
                error += ofD[j] * Math.abs(w(j, k));
            }
            error += Tolerance.sum(d.length, magnitude);
            int at = row * call.hidden() + k;
            dHidden[at] = g * sum;
            ofDHidden[at] =
                    Math.abs(g) * (error + 2.02 * (unit + Tolerance.U) * (Math.abs(sum) + error)) + Float.MIN_NORMAL;
        }
    }

    /** Rounds the scaled row to the storage. */
    private void matrix(int row, double g, double[] d, double[] ofD, double[] ofWeights, double[] ofBiases) {
        for (int j = 0; j < d.length; j++) {
            for (int k = 0; k < call.hidden(); k++) {
                double x = Math.abs(g * x(row, k));
                int at = j * call.hidden() + k;
                dWeight[at] += g * d[j] * x(row, k);
                ofWeights[at] += Math.abs(d[j]) * x;
                ofDWeight[at] += (ofD[j] + 1.01 * (unit + Tolerance.U) * Math.abs(d[j])) * x;
            }
            dBias[j] += g * d[j];
            ofBiases[j] += Math.abs(g * d[j]);
            ofDBias[j] += Math.abs(g) * ofD[j];
        }
    }
}
