package org.dpo4j.bench.device;

import java.util.stream.IntStream;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.UnpairedLoss;
import org.dpo4j.kernels.UnpairedLoss.Baseline;
import org.dpo4j.kernels.UnpairedLoss.Options;
import org.dpo4j.kernels.UnpairedLoss.UnpairedLogProbs;
import org.dpo4j.kernels.UnpairedLoss.UnpairedResults;

/** KTO's loss with its gradient and metrics, the baseline over as many completions. */
final class UnpairedLossBenchmark {
    private static final double BETA = 0.1;

    private UnpairedLossBenchmark() {}

    static Prepared kto(Fixture fixture) {
        int count = fixture.shape().count("completions");
        Tensor losses = fixture.zeros(DType.F32, count);
        Tensor dSums = fixture.zeros(DType.F32, count);
        Tensor metrics = fixture.zeros(DType.F32, 2L * PreferenceLoss.METRICS);
        Tensor sums = fixture.normal(DType.F32, 10, count);
        Tensor reference = fixture.normal(DType.F32, 10, count);
        Tensor desirable =
                fixture.ints(IntStream.range(0, count).map(i -> i % 2).toArray());
        Tensor klSums = fixture.normal(DType.F32, 10, count);
        Tensor klReference = fixture.normal(DType.F32, 10, count);
        return new Prepared(
                turn -> UnpairedLoss.compute(
                        fixture.device(),
                        new UnpairedResults(losses.at(turn), dSums.at(turn), metrics.at(turn)),
                        new UnpairedLogProbs(sums.at(turn), reference.at(turn), desirable.at(turn), count),
                        new Baseline(klSums.at(turn), klReference.at(turn), count),
                        1f / count,
                        Options.forLoss(UnpairedLoss.Type.KTO)),
                gate -> {
                    double kl = Math.max(0, mean(klSums, count) - mean(klReference, count));
                    for (int i : fixture.sample(count)) {
                        double sign = i % 2 == 0 ? -1 : 1;
                        double x = BETA * sign * (sums.read(i) - reference.read(i) - kl);
                        double sigmoid = Reference.sigmoid(x);
                        double share = (1 + Math.abs(x)) * Gate.sum(0, DType.F32);
                        double[] expected = {1 - sigmoid, -sign * BETA * sigmoid * (1 - sigmoid) / count};
                        gate.values("completion " + i, expected, new double[] {losses.read(i), dSums.read(i)}, share);
                    }
                });
    }

    private static double mean(Tensor tensor, int count) {
        double sum = 0;
        for (double value : tensor.read(0, count)) {
            sum += value;
        }
        return sum / count;
    }
}
