package org.dpo4j.conformance;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.conformance.TokenLogProbRun.Left;
import org.dpo4j.kernels.DType;
import org.dpo4j.testkit.Bfloat16;
import org.dpo4j.testkit.Binary16;

/**
 * Reads every bf16 and fp16 number exactly, and writes gradients rounded as in IEEE 754. For fp32, takes numbers that
 * differ in the upper 16 bits.
 */
class TokenLogProbStorageTest {
    private static final double NONE = Double.NEGATIVE_INFINITY;

    /** Whole 16-byte loads and a remainder of 3 columns, in every type. */
    private static final int VOCABULARY = 35;

    /** Step between tested 16-bit patterns: all on the cpu; fewer on cuda, whose emulation is slow, and for fp32. */
    private static int step(On on) {
        return on.cuda() || on.dtype() == DType.F32 ? 29 : 1;
    }

    private static double value(DType dtype, int bits) {
        return switch (dtype) {
            case F32 -> Float.intBitsToFloat(bits << 16 | bits * 40_503 & 0xFFFF);
            case BF16 -> Bfloat16.value((short) bits);
            case F16 -> Binary16.value((short) bits);
        };
    }

    private static double rounded(DType dtype, double x) {
        return switch (dtype) {
            case F32 -> x;
            case BF16 -> Bfloat16.rounded((float) x);
            case F16 -> Binary16.value(Binary16.bits((float) x));
        };
    }

    /**
     * Each row has one finite logit x, so exactly lse = x + log 1, and log-prob and gradient are 0. The column of x
     * changes from row to row, so both the 16-byte loads and the remainder read it. Subnormal numbers of fp32 may be
     * flushed to zero; fp16 has none of them.
     */
    @OnEachLogitsType
    void everyNumberIsRead(On on) {
        List<Double> numbers = new ArrayList<>();
        for (int bits = 0; bits < 1 << 16; bits += step(on)) {
            if (Double.isFinite(value(on.dtype(), bits))) {
                numbers.add(value(on.dtype(), bits));
            }
        }
        int rows = numbers.size();
        double[] logits = new double[rows * VOCABULARY];
        Arrays.fill(logits, NONE);
        int[] targets = new int[rows];
        for (int row = 0; row < rows; row++) {
            targets[row] = row % VOCABULARY;
            logits[row * VOCABULARY + targets[row]] = numbers.get(row);
        }
        Left left = new TokenLogProbRun(on).inTwoCalls(TokenLogProbCall.of(logits, targets));
        double[] expected = numbers.stream().mapToDouble(x -> x).toArray();
        Expect.near("lse", left.lse(), expected, i -> Math.abs(expected[i]) < Float.MIN_NORMAL ? Float.MIN_NORMAL : 0);
        Expect.exactly("logprob", left.logprob(), new double[rows]);
        Expect.exactly("d_logits", left.dLogits(), new double[rows * VOCABULARY]);
    }

    /**
     * The target's logit is -infinity, so its probability is 0 and its gradient is d_logprob (1 - 0), which is rounded
     * only when it is stored. d_logprob takes the midpoints between neighbouring numbers of the type, the fp32 numbers
     * next to these midpoints, and one number that is too large for 16 bits.
     */
    @OnEachLogitsType
    void roundsToNearestTiesToEven(On on) {
        List<Float> numbers = new ArrayList<>();
        int infinity = on.dtype() == DType.F16 ? 0x7C00 : 0x7F80;
        for (int bits = 0; bits < infinity - 1; bits += step(on)) {
            float middle = (float) ((value(on.dtype(), bits) + value(on.dtype(), bits + 1)) / 2);
            numbers.addAll(List.of(Math.nextDown(middle), -middle, Math.nextUp(middle)));
        }
        numbers.removeIf(x -> Math.abs(x) < Float.MIN_NORMAL);
        numbers.add(on.dtype() == DType.F16 ? 65_520f : Float.MAX_VALUE);
        int rows = numbers.size();
        double[] logits = new double[rows * VOCABULARY];
        int[] targets = new int[rows];
        for (int row = 0; row < rows; row++) {
            targets[row] = row % VOCABULARY;
            logits[row * VOCABULARY + targets[row]] = NONE;
        }
        double[] dLogProb = numbers.stream().mapToDouble(x -> x).toArray();
        TokenLogProbCall call = TokenLogProbCall.of(logits, targets).withGradient(dLogProb);
        TokenLogProbRun run = new TokenLogProbRun(on, DType.F32, on.dtype(), false);
        expectRounded(on.dtype(), dLogProb, targets, run.inTwoCalls(call));
        expectRounded(on.dtype(), dLogProb, targets, run.inOneCall(call));
    }

    private static void expectRounded(DType dtype, double[] dLogProb, int[] targets, Left left) {
        double[] expected = new double[targets.length];
        double[] actual = new double[targets.length];
        for (int row = 0; row < targets.length; row++) {
            expected[row] = rounded(dtype, dLogProb[row]);
            actual[row] = left.dLogits()[row * VOCABULARY + targets[row]];
        }
        Expect.exactly("d_logprob as stored", actual, expected);
    }
}
