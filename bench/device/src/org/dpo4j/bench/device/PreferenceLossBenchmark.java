package org.dpo4j.bench.device;

import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceLoss.PairLogProbs;
import org.dpo4j.kernels.PreferenceLoss.PairResults;
import org.dpo4j.kernels.PreferenceLoss.Scale;
import org.dpo4j.kernels.PreferenceOptions;

/** DPO's loss with its gradient and metrics. */
final class PreferenceLossBenchmark {
    private static final double BETA = 0.1;

    private PreferenceLossBenchmark() {}

    static Prepared sigmoid(Fixture fixture) {
        int pairs = fixture.shape().count("pairs");
        Tensor losses = fixture.zeros(DType.F32, pairs);
        Tensor dSums = fixture.zeros(DType.F32, 2L * pairs);
        Tensor metrics = fixture.zeros(DType.F32, 2L * PreferenceLoss.METRICS);
        Tensor sums = fixture.normal(DType.F32, 10, 2L * pairs);
        Tensor reference = fixture.normal(DType.F32, 10, 2L * pairs);
        PreferenceOptions options = PreferenceOptions.forLoss(LossType.SIGMOID);
        return new Prepared(
                turn -> PreferenceLoss.compute(
                        fixture.device(),
                        new PairResults(losses.at(turn), dSums.at(turn), metrics.at(turn)),
                        new PairLogProbs(sums.at(turn), reference.at(turn)),
                        pairs,
                        PreferenceLoss.NO_WORKSPACE,
                        new Scale(1f / pairs),
                        options),
                gate -> check(gate, fixture, losses, dSums, sums, reference, pairs));
    }

    private static void check(
            Gate gate, Fixture fixture, Tensor losses, Tensor dSums, Tensor sums, Tensor reference, int pairs) {
        for (int pair : fixture.sample(pairs)) {
            double[] pi = sums.read(2L * pair, 2);
            double[] ref = reference.read(2L * pair, 2);
            double x = BETA * (pi[0] - ref[0] - pi[1] + ref[1]);
            double gradient = -BETA * Reference.sigmoid(-x) / pairs;
            // Options come as fp32: the error of beta, and of 1 / pairs, is one of the argument.
            double share = (1 + Math.abs(x)) * Gate.sum(0, DType.F32);
            double[] expected = {-Reference.logSigmoid(x), gradient, -gradient};
            double[] actual = {losses.read(pair), dSums.read(2L * pair), dSums.read(2L * pair + 1)};
            gate.values("pair " + pair, expected, actual, share);
        }
    }
}
