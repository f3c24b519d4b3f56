package org.dpo4j.conformance;

import java.util.Arrays;
import java.util.function.Consumer;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.head.LmHeadForward;
import org.dpo4j.kernels.head.LmHeadForward.Head;
import org.dpo4j.kernels.head.LmHeadForward.HiddenRows;
import org.dpo4j.testkit.Bfloat16;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.ReferenceTokenLogProb;
import org.dpo4j.testkit.Tolerance;
import org.jspecify.annotations.Nullable;

/**
 * A call of {@link LmHeadForward}, its exact results, and how far a device's may differ.
 *
 * @param inputs inputs whose hidden rows and weights are rounded to bf16
 * @param gap elements between the end of a row and the start of the next, a multiple of 8 added to what the width needs
 */
record LmHeadForwardCall(LmHeadCall inputs, int gap) {

    /** Results of a call: log-probs, lses and statistics, as numbers and as bits. Without statistics, those are empty. */
    record Left(
            double[] logprob,
            double[] lse,
            double[] statistics,
            long[] logprobBits,
            long[] lseBits,
            long[] statisticsBits) {}

    /** Hidden rows are N(0, 1), and weights are such that logits are N(0, {@code spread}). */
    static LmHeadForwardCall random(int rows, int vocabulary, int width, double spread) {
        Draw draw = new Draw(31L * rows + vocabulary + width);
        double[] x = stored(draw.normal(rows * width, 1));
        double[] w = stored(draw.normal(vocabulary * width, spread / Math.sqrt(width)));
        int[] targets = draw.indices(rows, vocabulary);
        return new LmHeadForwardCall(
                new LmHeadCall(vocabulary, width, x, w, targets, new double[rows], LogitTransform.NONE), 0);
    }

    private static double[] stored(double[] values) {
        return Arrays.stream(values).map(x -> Bfloat16.rounded((float) x)).toArray();
    }

    private LmHeadForwardCall withTransform(LogitTransform transform) {
        return new LmHeadForwardCall(inputs.withTransform(transform), gap);
    }

    LmHeadForwardCall withTransformation(float scale, float cap) {
        return withTransform(new LogitTransform(inputs.transform().bias(), scale, cap));
    }

    LmHeadForwardCall withBias(double... bias) {
        return withTransform(new LogitTransform(
                bias, inputs.transform().scale(), inputs.transform().cap()));
    }

    LmHeadForwardCall withTargets(int... targets) {
        return new LmHeadForwardCall(inputs.withTargets(targets), gap);
    }

    LmHeadForwardCall withGap(int other) {
        return new LmHeadForwardCall(inputs, other);
    }

    /** A call with these rows, in this order. */
    LmHeadForwardCall select(int... rows) {
        return new LmHeadForwardCall(inputs.select(rows), gap);
    }

    double[] hidden() {
        return inputs.x();
    }

    double[] weight() {
        return inputs.w();
    }

    int[] targets() {
        return inputs.targets();
    }

    int rows() {
        return inputs.rows();
    }

    int vocabulary() {
        return inputs.vocabulary();
    }

    int width() {
        return inputs.hidden();
    }

    int stride() {
        return (width() + 7) / 8 * 8 + gap;
    }

    /**
     * Runs the call twice, as {@link Tensors#run} does. If the device lacks the operation, checks that the call is
     * refused by name and returns null.
     */
    @Nullable
    Left run(On on) {
        return run(on, true);
    }

    @Nullable
    Left run(On on, boolean hasStatistics) {
        int rows = rows();
        try (Tensors tensors = new Tensors(on)) {
            Tensor logprob = tensors.output("logprob", DType.F32, 1, rows);
            Tensor lse = tensors.output("lse", DType.F32, 1, rows);
            Tensor statistics =
                    tensors.output("statistics", DType.F32, hasStatistics ? rows : 0, TokenLogProb.STATISTICS);
            Tensor x = tensors.input("hidden", DType.BF16, rows, width(), stride(), hidden());
            Tensor w = tensors.input("weight", DType.BF16, vocabulary(), width(), stride(), weight());
            double[] biases = inputs.transform().bias();
            Tensor b = biases == null ? null : tensors.vector("bias", DType.F32, biases);
            Tensor t = tensors.input("targets", targets());
            Transform transform = inputs.transform().on(b == null ? 0 : b.address());
            Tensor workspace = tensors.workspace(LmHeadForward.workspaceBytes(rows, vocabulary()));
            Head head = new Head(w.address(), stride(), vocabulary(), width(), transform, DType.BF16);
            Consumer<Device> call = device -> LmHeadForward.forward(
                    device,
                    new TokenResults(logprob.address(), lse.address(), hasStatistics ? statistics.address() : 0),
                    workspace.address(),
                    new HiddenRows(x.address(), stride(), t.address(), rows),
                    head);
            if (!LmHeadForward.isSupported(on.device(), DType.BF16)) {
                tensors.refused("lm_head", "token_logprob_forward", call);
                return null;
            }
            tensors.run(call);
            return new Left(
                    logprob.values(), lse.values(), statistics.values(), logprob.bits(), lse.bits(), statistics.bits());
        }
    }

    /** Logits of a row. */
    double[] logits(int row) {
        double[] products = new double[vocabulary()];
        for (int j = 0; j < products.length; j++) {
            for (int k = 0; k < width(); k++) {
                products[j] += hidden()[row * width() + k] * weight()[j * width() + k];
            }
        }
        return inputs.transform().z(products);
    }

    /**
     * How far one logit may differ from the exact one. Products of bf16 are exact. A step of 16 columns adds 16 of them
     * to the accumulator, and a tensor core truncates each of the 17 terms at the last place of the max one, which is
     * at most the sum of magnitudes. Then the bias and the scale round once each, and the cap rounds four times and in
     * tanh, whose slope is at most 1.
     */
    double logitError(int row, int j) {
        double magnitudes = 0;
        for (int k = 0; k < width(); k++) {
            magnitudes += Math.abs(hidden()[row * width() + k] * weight()[j * width() + k]);
        }
        int steps = (width() + 15) / 16;
        double[] bias = inputs.transform().bias();
        double ofBias = bias == null || !Double.isFinite(bias[j]) ? 0 : Math.abs(bias[j]);
        return inputs.transform().scale()
                * (steps * 17 * 0x1p-23 * magnitudes + 8 * Tolerance.U * (magnitudes + ofBias));
    }

    /**
     * The error of an lse is the mean of the logits' errors, weighted by their probabilities, plus that of the log of a
     * sum of exponentials.
     */
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
        return lseError(row, logits) + logitError(row, targets()[row]) + Tolerance.logProb(logits, targets()[row]);
    }

    /**
     * Runs the call and checks every row: masked rows, rows whose target is beyond the vocabulary, and the others
     * within their bound, or log-prob and lse within {@code max} if that is less. Without statistics they have the same bits.
     */
    void check(On on, double max) {
        Left left = run(on);
        Left without = run(on, false);
        if (left == null || without == null) {
            return;
        }
        Expect.sameBits("logprob without statistics", without.logprobBits, left.logprobBits);
        Expect.sameBits("lse without statistics", without.lseBits, left.lseBits);
        for (int row = 0; row < rows(); row++) {
            String what = "row %d of %d, vocabulary %d, width %d".formatted(row, rows(), vocabulary(), width());
            double[] actual = {left.lse[row], left.logprob[row]};
            double[] statistics = Arrays.copyOfRange(
                    left.statistics, row * TokenLogProb.STATISTICS, (row + 1) * TokenLogProb.STATISTICS);
            if (targets()[row] < 0 || targets()[row] >= vocabulary()) {
                double all = targets()[row] < 0 ? 0 : Double.NaN;
                Expect.exactly(what, actual, new double[] {all, all});
                Expect.exactly("statistics of " + what, statistics, new double[] {all, all, all, all});
                continue;
            }
            double[] logits = logits(row);
            double[] expected = {
                ReferenceTokenLogProb.lse(logits), ReferenceTokenLogProb.forward(logits, targets()[row])
            };
            double[] allowed = {lseError(row, logits), logprobError(row, logits)};
            Expect.near("lse, log-prob of " + what, actual, expected, i -> Math.min(allowed[i], max));
            double[] off = new double[vocabulary()];
            for (int j = 0; j < off.length; j++) {
                off[j] = Double.isFinite(logits[j]) ? logitError(row, j) : 0;
            }
            ExpectedStatistics exact = ExpectedStatistics.of(logits, off, targets()[row]);
            double[] ofStatistics = exact.allowed();
            Expect.near("statistics of " + what, statistics, exact.values(), i -> ofStatistics[i]);
        }
    }

    void check(On on) {
        check(on, Double.POSITIVE_INFINITY);
    }
}
