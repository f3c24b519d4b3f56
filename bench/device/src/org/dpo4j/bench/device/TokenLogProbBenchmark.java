package org.dpo4j.bench.device;

import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Gradient;
import org.dpo4j.kernels.TokenLogProb.Logits;
import org.dpo4j.kernels.TokenLogProb.Results;

/**
 * Logits of normal(0, 3). The gradient lies beside them: in place, a second call would find a row of one value.
 *
 * <p>The gate: 2e-6 nat, and four roundings of numbers as large as they are.
 */
final class TokenLogProbBenchmark {
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
        targets = fixture.indices((int) rows, vocabulary);
        logprob = fixture.zeros(DType.F32, rows);
        lse = fixture.zeros(DType.F32, rows);
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

    private Results results(int turn) {
        return new Results(logprob.at(turn), lse.at(turn));
    }

    private Logits logits(int turn) {
        return new Logits(logits.at(turn), vocabulary, vocabulary, dtype);
    }

    private Gradient gradient(Tensor tensor, int turn) {
        return new Gradient(tensor.at(turn), vocabulary, dtype);
    }

    private double[] row(Tensor tensor, int row) {
        return tensor.read((long) row * vocabulary, vocabulary);
    }

    private void checkForward(Gate gate) {
        for (int row : fixture.sample(rows)) {
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
