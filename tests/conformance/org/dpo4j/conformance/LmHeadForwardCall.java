package org.dpo4j.conformance;

import java.util.Arrays;
import java.util.function.Consumer;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.head.LmHeadForward;
import org.dpo4j.kernels.head.LmHeadForward.Head;
import org.dpo4j.kernels.head.LmHeadForward.HiddenRows;
import org.jspecify.annotations.Nullable;

/**
 * One call of {@link LmHeadForward}, its exact results and how far from them a device may be.
 *
 * @param hidden [rows, width], as bf16 holds them
 * @param weight [vocabulary, width], likewise
 * @param bias [vocabulary], as fp32 holds them; empty for none
 * @param gap elements between the end of a row and the start of the next, a multiple of 8 added to what the width needs
 */
record LmHeadForwardCall(
        int width, double[] hidden, double[] weight, double[] bias, int[] targets, float scale, float cap, int gap) {

    /** What a call leaves: log-probs and lses, as numbers and as bits. */
    record Left(double[] logprob, double[] lse, long[] logprobBits, long[] lseBits) {}

    /** Hidden rows of N(0, 1), weights so that logits are N(0, spread). */
    static LmHeadForwardCall random(int rows, int vocabulary, int width, double spread) {
        Draw draw = new Draw(31L * rows + vocabulary + width);
        return new LmHeadForwardCall(
                width,
                stored(draw.normal(rows * width, 1)),
                stored(draw.normal(vocabulary * width, spread / Math.sqrt(width))),
                new double[0],
                draw.indices(rows, vocabulary),
                1,
                0,
                0);
    }

    private static double[] stored(double[] values) {
        return Arrays.stream(values).map(x -> Bfloat16.rounded((float) x)).toArray();
    }

    LmHeadForwardCall withTransformation(float newScale, float newCap) {
        return new LmHeadForwardCall(width, hidden, weight, bias, targets, newScale, newCap, gap);
    }

    LmHeadForwardCall withBias(double... newBias) {
        double[] asStored = Arrays.stream(newBias).map(x -> (float) x).toArray();
        return new LmHeadForwardCall(width, hidden, weight, asStored, targets, scale, cap, gap);
    }

    LmHeadForwardCall withTargets(int... newTargets) {
        return new LmHeadForwardCall(width, hidden, weight, bias, newTargets, scale, cap, gap);
    }

    LmHeadForwardCall withGap(int newGap) {
        return new LmHeadForwardCall(width, hidden, weight, bias, targets, scale, cap, newGap);
    }

    /** Rows of this call, in that order. */
    LmHeadForwardCall select(int... rows) {
        double[] selected = new double[rows.length * width];
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(hidden, rows[i] * width, selected, i * width, width);
        }
        int[] ofRows = Arrays.stream(rows).map(row -> targets[row]).toArray();
        return new LmHeadForwardCall(width, selected, weight, bias, ofRows, scale, cap, gap);
    }

    int rows() {
        return targets.length;
    }

    int vocabulary() {
        return weight.length / width;
    }

    private int stride() {
        return (width + 7) / 8 * 8 + gap;
    }

    /** Runs it, twice as {@link Tensors#run} does; where the device has no such operation, sees it refused by name and returns null. */
    @Nullable
    Left run(On on) {
        int rows = rows();
        try (Tensors tensors = new Tensors(on)) {
            Tensor logprob = tensors.output("logprob", DType.F32, 1, rows);
            Tensor lse = tensors.output("lse", DType.F32, 1, rows);
            Tensor x = tensors.input("hidden", DType.BF16, rows, width, stride(), hidden);
            Tensor w = tensors.input("weight", DType.BF16, vocabulary(), width, stride(), weight);
            Tensor b = bias.length == 0 ? null : tensors.vector("bias", DType.F32, bias);
            Tensor t = tensors.input("targets", targets);
            Transform transform = new Transform(b == null ? 0 : b.address(), scale, cap);
            Tensor workspace = tensors.workspace(LmHeadForward.workspaceBytes(rows, vocabulary()));
            Head head = new Head(w.address(), stride(), vocabulary(), width, transform, DType.BF16);
            Consumer<Device> call = device -> LmHeadForward.forward(
                    device,
                    new TokenResults(logprob.address(), lse.address()),
                    workspace.address(),
                    new HiddenRows(x.address(), stride(), t.address(), rows),
                    head);
            if (!LmHeadForward.isSupported(on.device(), DType.BF16)) {
                tensors.refused("lm_head", "token_logprob_forward", call);
                return null;
            }
            tensors.run(call);
            return new Left(logprob.values(), lse.values(), logprob.bits(), lse.bits());
        }
    }

    /** Logits of a row. */
    double[] logits(int row) {
        double[] logits = new double[vocabulary()];
        for (int j = 0; j < logits.length; j++) {
            double z = 0;
            for (int k = 0; k < width; k++) {
                z += hidden[row * width + k] * weight[j * width + k];
            }
            z = scale * (z + (bias.length == 0 ? 0 : bias[j]));
            logits[j] = cap == 0 ? z : cap * Math.tanh(z / cap);
        }
        return logits;
    }

    /**
     * How far one logit may be from the exact one. Products of bf16 are exact. A step of 16 columns adds 16 of them to the accumulator, and a tensor core
     * cuts each of the 17 below the last place of the largest, which is no larger than the sum of magnitudes. Then a bias and a scale round once each,
     * a cap four times and in tanh, whose slope is at most 1.
     */
    private double logitError(int row, int j) {
        double magnitudes = 0;
        for (int k = 0; k < width; k++) {
            magnitudes += Math.abs(hidden[row * width + k] * weight[j * width + k]);
        }
        int steps = (width + 15) / 16;
        double ofBias = bias.length == 0 || !Double.isFinite(bias[j]) ? 0 : Math.abs(bias[j]);
        return scale * (steps * 17 * 0x1p-23 * magnitudes + 8 * Tolerance.U * (magnitudes + ofBias));
    }

    /** The error of an lse is the probabilities' mean of the logits' errors, and what the log of a sum of exponentials costs. */
    double lseError(int row, double[] logits) {
        double lse = ReferenceTokenLogProb.lse(logits);
        double ofLogits = 0;
        for (int j = 0; j < logits.length; j++) {
            double p = Math.exp(logits[j] - lse);
            ofLogits += p == 0 ? 0 : p * logitError(row, j);
        }
        return 1.01 * ofLogits + Tolerance.lse(logits);
    }

    double logprobError(int row, double[] logits) {
        return lseError(row, logits) + logitError(row, targets[row]) + Tolerance.logProb(logits, targets[row]);
    }

    /** Runs it and checks every row: masked ones, those whose target does not exist, and the others within their bounds or `most` if that is less. */
    void check(On on, double most) {
        Left left = run(on);
        if (left == null) {
            return;
        }
        for (int row = 0; row < rows(); row++) {
            String what = "row %d of %d, vocabulary %d, width %d".formatted(row, rows(), vocabulary(), width);
            double[] actual = {left.lse[row], left.logprob[row]};
            if (targets[row] < 0 || targets[row] >= vocabulary()) {
                double all = targets[row] < 0 ? 0 : Double.NaN;
                Expect.exactly(what, actual, new double[] {all, all});
                continue;
            }
            double[] logits = logits(row);
            double[] expected = {ReferenceTokenLogProb.lse(logits), ReferenceTokenLogProb.forward(logits, targets[row])
            };
            double[] allowed = {lseError(row, logits), logprobError(row, logits)};
            Expect.near("lse, log-prob of " + what, actual, expected, i -> Math.min(allowed[i], most));
        }
    }

    void check(On on) {
        check(on, Double.POSITIVE_INFINITY);
    }
}
