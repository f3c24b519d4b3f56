package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.function.Consumer;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.head.LmHeadExponentials;
import org.dpo4j.kernels.head.LmHeadExponentials.Exponentials;
import org.dpo4j.kernels.head.LmHeadForward.Head;
import org.dpo4j.kernels.head.LmHeadForward.HiddenRows;
import org.dpo4j.testkit.ReferenceTokenLogProb;
import org.dpo4j.testkit.Tolerance;
import org.jspecify.annotations.Nullable;

/**
 * A call of {@link LmHeadExponentials}, the exact gradient that its results stand for, and how far a device's may
 * differ.
 *
 * @param forward the inputs; a call of {@code lm_head_forward} with them gives the same log-probs
 */
record LmHeadExponentialsCall(LmHeadForwardCall forward) {

    /** Relative error of an exponential: the rounding to bf16, and the fp32 arithmetic before it. */
    private static final double OF_EXPONENTIAL = 0x1p-8 + 0x1p-16;

    /** Of a probability: exponentials below 2^-126 are 0, and their sum is above 2^-64. */
    private static final double FLUSHED = 0x1p-61;

    /** Results of a call, as numbers and as bits. A row of exponentials has {@link #columns} elements. */
    record Left(double[] logprob, double[] lse, double[] factors, double[] exponentials, Bits bits) {}

    record Bits(long[] logprob, long[] lse, long[] statistics, long[] factors, long[] exponentials) {}

    static LmHeadExponentialsCall random(int rows, int vocabulary, int width, double spread) {
        return new LmHeadExponentialsCall(LmHeadForwardCall.random(rows, vocabulary, width, spread));
    }

    LmHeadExponentialsCall withTransformation(float scale, float cap) {
        return new LmHeadExponentialsCall(forward.withTransformation(scale, cap));
    }

    LmHeadExponentialsCall withBias(double... bias) {
        return new LmHeadExponentialsCall(forward.withBias(bias));
    }

    LmHeadExponentialsCall withTargets(int... targets) {
        return new LmHeadExponentialsCall(forward.withTargets(targets));
    }

    LmHeadExponentialsCall select(int... rows) {
        return new LmHeadExponentialsCall(forward.select(rows));
    }

    LmHeadExponentialsCall withGap(int gap) {
        return new LmHeadExponentialsCall(forward.withGap(gap));
    }

    /** Columns of the exponentials: the vocabulary, rounded up to 8. */
    int columns() {
        return (forward.vocabulary() + 7) / 8 * 8;
    }

    private int target(int row) {
        return forward.targets()[row];
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
        int rows = forward.rows();
        int vocabulary = forward.vocabulary();
        int stride = columns() + forward.gap();
        try (Tensors tensors = new Tensors(on)) {
            Tensor logprob = tensors.output("logprob", DType.F32, 1, rows);
            Tensor lse = tensors.output("lse", DType.F32, 1, rows);
            Tensor statistics =
                    tensors.output("statistics", DType.F32, hasStatistics ? rows : 0, TokenLogProb.STATISTICS);
            Tensor factors = tensors.output("factors", DType.F32, 1, rows);
            Tensor exponentials = tensors.output("exponentials", DType.BF16, rows, columns(), stride);
            Tensor x = tensors.input("hidden", DType.BF16, rows, forward.width(), forward.stride(), forward.hidden());
            Tensor w = tensors.input(
                    "weight", DType.BF16, vocabulary, forward.width(), forward.stride(), forward.weight());
            Tensor t = tensors.input("targets", forward.targets());
            double[] biases = forward.inputs().transform().bias();
            Tensor bias = biases == null ? null : tensors.vector("bias", DType.F32, biases);
            Transform transform = forward.inputs().transform().on(bias == null ? 0 : bias.address());
            Tensor workspace = tensors.workspace(LmHeadExponentials.workspaceBytes(rows, vocabulary));
            Head head = new Head(w.address(), forward.stride(), vocabulary, forward.width(), transform, DType.BF16);
            Consumer<Device> call = device -> LmHeadExponentials.forward(
                    device,
                    new TokenResults(logprob.address(), lse.address(), hasStatistics ? statistics.address() : 0),
                    new Exponentials(exponentials.address(), stride, factors.address()),
                    workspace.address(),
                    new HiddenRows(x.address(), forward.stride(), t.address(), rows),
                    head);
            if (!LmHeadExponentials.lacks(on.device(), DType.BF16).isEmpty()) {
                tensors.refused("lm_head_exponentials", "token_logprob_forward_backward", call);
                return null;
            }
            tensors.run(call);
            return new Left(
                    logprob.values(),
                    lse.values(),
                    factors.values(),
                    exponentials.values(),
                    new Bits(logprob.bits(), lse.bits(), statistics.bits(), factors.bits(), exponentials.bits()));
        }
    }

    /**
     * Runs the call and checks that log-probs, lse and statistics have the bits of {@code lm_head_forward}, which {@link
     * LmHeadForwardTest} compares with the reference, and the gradients of all rows.
     */
    void check(On on) {
        Left left = run(on);
        if (left == null) {
            return;
        }
        LmHeadForwardCall.Left same = forward.run(on);
        if (same != null) {
            Expect.sameBits("logprob", left.bits.logprob, same.logprobBits());
            Expect.sameBits("lse", left.bits.lse, same.lseBits());
            Expect.sameBits("statistics", left.bits.statistics, same.statisticsBits());
        }
        for (int row = 0; row < forward.rows(); row++) {
            checkRow(left, row);
        }
    }

    private void checkRow(Left left, int row) {
        int vocabulary = forward.vocabulary();
        double[] exponentials = Arrays.copyOfRange(left.exponentials, row * columns(), (row + 1) * columns());
        double factor = left.factors[row];
        String what =
                "row %d of %d, vocabulary %d, width %d".formatted(row, forward.rows(), vocabulary, forward.width());
        if (target(row) < 0 || target(row) >= vocabulary) {
            Expect.exactly("factor of " + what, new double[] {factor}, new double[] {target(row) < 0 ? 0 : Double.NaN});
            Expect.exactly("exponentials of " + what, exponentials, new double[columns()]);
            return;
        }
        double[] beyond = Arrays.copyOfRange(exponentials, vocabulary, columns());
        Expect.exactly("beyond the vocabulary, " + what, beyond, new double[beyond.length]);
        double scale = (float) forward.inputs().transform().scale();
        assertThat(scale / -factor).as("sum of exponentials, " + what).isBetween(0x1p-65, 0x1p65);
        double[] logits = forward.logits(row);
        double lse = ReferenceTokenLogProb.lse(logits);
        double logprob = ReferenceTokenLogProb.forward(logits, target(row));
        double ofLse = forward.lseError(row, logits);
        double ofLogProb = forward.logprobError(row, logits);
        double[] actual = new double[vocabulary];
        double[] expected = new double[vocabulary];
        double[] allowed = new double[vocabulary];
        for (int j = 0; j < vocabulary; j++) {
            boolean isTarget = j == target(row);
            double p = Math.exp(logits[j] - lse);
            double slope = slope(logits[j]);
            double ofLogits = isTarget ? ofLogProb : ofLogit(row, j) + ofLse;
            double ofP = Math.min(1, p * Math.expm1(1.01 * ofLogits));
            actual[j] = factor * exponentials[j];
            double byZ = isTarget ? -Math.expm1(logprob) : -p;
            expected[j] = scale * slope * byZ;
            double ofExpected = scale * (slope * ofP + Math.abs(byZ) * ofSlope(ofLogit(row, j)));
            allowed[j] = ofExpected
                    + OF_EXPONENTIAL * (Math.abs(expected[j]) + ofExpected)
                    + 4 * Tolerance.U * Math.abs(expected[j])
                    + scale * FLUSHED;
        }
        Expect.near("gradient of " + what, actual, expected, j -> allowed[j]);
    }

    private double ofLogit(int row, int j) {
        double bias = forward.inputs().transform().bias() == null
                ? 0
                : forward.inputs().transform().bias()[j];
        return Double.isFinite(bias) ? forward.logitError(row, j) : 0;
    }

    /** dz / dy of z = cap tanh(y / cap), from z. */
    private double slope(double z) {
        double cap = (float) forward.inputs().transform().cap();
        double t = cap == 0 || Double.isInfinite(z) ? 0 : z / cap; // at -inf the exponential is 0
        return 1 - t * t;
    }

    /** The error of the slope: of its fp32 arithmetic, and by that of y; its derivative is below 0.77 / cap. */
    private double ofSlope(double ofLogit) {
        double cap = forward.inputs().transform().cap();
        return cap == 0 ? 0 : 0x1p-20 + 0.77 / cap * ofLogit;
    }
}
