package org.dpo4j.bench.device;

import java.util.stream.LongStream;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Logits;
import org.dpo4j.kernels.TokenLogProb.LogitsGradient;
import org.dpo4j.kernels.TokenLogProb.TokenResults;

/**
 * Logits of normal(0, 3). The gradient lies beside them: in place, a second call would find a row of one value. {@code masked half}: every second run of
 * rows has no target, as prompts have none in a packed batch.
 *
 * <p>The gate: 2e-6 nat, and four roundings of numbers as large as they are.
 */
final class TokenLogProbBenchmark {
    private static final int MASKED_RUN = 128;
    private static final double NATS = 2e-6;
    private static final double UNIT = 0x1p-24;

    private final Fixture fixture;
    private final long rows;
    private final int vocabulary;
    private final DType dtype;
    private final Tensor logits;
    private final Tensor targets;
    private final Tensor logprob;
    private final Tensor lse;

    private TokenLogProbBenchmark(Fixture fixture) {
        this.fixture = fixture;
        rows = fixture.at("rows");
        vocabulary = fixture.shape().count("vocabulary");
        dtype = fixture.shape().logits();
        logits = fixture.normal(dtype, 3, rows * vocabulary);
        targets = fixture.ints(targets(fixture, (int) rows, vocabulary));
        logprob = fixture.zeros(DType.F32, rows);
        lse = fixture.zeros(DType.F32, rows);
    }

    private static int[] targets(Fixture fixture, int rows, int vocabulary) {
        int[] targets = fixture.numbers().indices(rows, vocabulary);
        for (int row = 0; row < rows; row++) {
            targets[row] = isMasked(fixture.shape(), row) ? -1 : targets[row];
        }
        return targets;
    }

    /** Runs are 128 rows where there are as many as make a measurement. */
    private static boolean isMasked(Shape shape, long row) {
        long run = Math.max(1, Math.min(MASKED_RUN, shape.at("rows") / 4));
        return shape.has("masked", "half") && row / run % 2 == 1;
    }

    /** Rows that have a target. */
    static long visible(Shape shape) {
        return LongStream.range(0, shape.at("rows"))
                .filter(row -> !isMasked(shape, row))
                .count();
    }

    static Prepared forward(Fixture fixture) {
        TokenLogProbBenchmark of = new TokenLogProbBenchmark(fixture);
        return new Prepared(of::forward, of::checkForward);
    }

    static Prepared backward(Fixture fixture) {
        TokenLogProbBenchmark of = new TokenLogProbBenchmark(fixture);
        Tensor gradient = fixture.zeros(of.dtype, of.logits.count());
        Tensor dLogprob = fixture.normal(DType.F32, 1, of.rows);
        for (int copy = 0; copy < of.lse.copies(); copy++) {
            of.forward(copy);
        }
        fixture.computed(of.logprob, of.lse);
        return new Prepared(
                turn -> TokenLogProb.backward(
                        fixture.device(),
                        of.gradient(gradient, turn),
                        of.logits(turn),
                        of.targets.at(turn),
                        of.lse.at(turn),
                        dLogprob.at(turn),
                        of.rows),
                gate -> of.checkBackward(gate, gradient, dLogprob));
    }

    static Prepared forwardBackward(Fixture fixture) {
        TokenLogProbBenchmark of = new TokenLogProbBenchmark(fixture);
        Tensor gradient = fixture.zeros(of.dtype, of.logits.count());
        return new Prepared(
                turn -> TokenLogProb.forwardBackward(
                        fixture.device(),
                        of.gradient(gradient, turn),
                        of.results(turn),
                        of.logits(turn),
                        of.targets.at(turn),
                        0,
                        of.rows),
                gate -> {
                    of.checkForward(gate);
                    of.checkBackward(gate, gradient, fixture.floats(ones(of.rows)));
                });
    }

    private static float[] ones(long count) {
        float[] ones = new float[(int) count];
        java.util.Arrays.fill(ones, 1);
        return ones;
    }

    private void forward(int turn) {
        TokenLogProb.forward(fixture.device(), results(turn), logits(turn), targets.at(turn), rows);
    }

    private TokenResults results(int turn) {
        return new TokenResults(logprob.at(turn), lse.at(turn));
    }

    private Logits logits(int turn) {
        return new Logits(logits.at(turn), vocabulary, vocabulary, dtype);
    }

    private LogitsGradient gradient(Tensor tensor, int turn) {
        return new LogitsGradient(tensor.at(turn), vocabulary, dtype);
    }

    private double[] row(Tensor tensor, int row) {
        return tensor.read((long) row * vocabulary, vocabulary);
    }

    private void checkForward(Gate gate) {
        for (int row : fixture.sample(rows)) {
            if (isMasked(fixture.shape(), row)) {
                gate.value("lse[" + row + "], masked", 0, lse.read(row), 0);
                gate.value("logprob[" + row + "], masked", 0, logprob.read(row), 0);
                continue;
            }
            double[] x = row(logits, row);
            double ofLse = Reference.lse(x);
            double logit = x[targets.readInt(row)];
            double bound = NATS + 4 * UNIT * (Math.abs(logit) + Math.abs(ofLse));
            gate.value("lse[" + row + "]", ofLse, lse.read(row), bound);
            gate.value("logprob[" + row + "]", logit - ofLse, logprob.read(row), bound);
        }
    }

    /** A gradient errs as its exponential does, by the error of the argument, and by the roundings of what it is made of. */
    private void checkBackward(Gate gate, Tensor gradient, Tensor dLogprob) {
        for (int row : fixture.sample(rows)) {
            double[] x = row(logits, row);
            double[] actual = row(gradient, row);
            if (isMasked(fixture.shape(), row)) {
                gate.values("d_logits of row " + row + ", masked", new double[vocabulary], actual, 0);
                continue;
            }
            int target = targets.readInt(row);
            double ofLse = Reference.lse(x);
            double scale = dLogprob.read(row);
            for (int j = 0; j < vocabulary; j++) {
                double p = Math.exp(x[j] - ofLse);
                double share = (j == target ? 1 : 0) - p;
                double argument = NATS + 8 * UNIT * (Math.abs(x[j]) + Math.abs(ofLse));
                double bound = Math.abs(scale)
                        * (p * (argument + 8 * UNIT) + Gate.sum(0, dtype) * Math.abs(share) + Float.MIN_NORMAL);
                gate.value("d_logits[" + row + "," + j + "]", scale * share, actual[j], bound);
            }
        }
    }
}
