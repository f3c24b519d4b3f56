package org.dpo4j.bench.device;

import static org.dpo4j.testkit.Functions.logSigmoid;
import static org.dpo4j.testkit.Functions.sigmoid;

import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceLoss.PairLogProbs;
import org.dpo4j.kernels.PreferenceLoss.PairResults;
import org.dpo4j.kernels.PreferenceLoss.Scale;
import org.dpo4j.kernels.PreferenceOptions;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.UnpairedLoss;
import org.dpo4j.kernels.UnpairedLoss.Baseline;
import org.dpo4j.kernels.UnpairedLoss.UnpairedLogProbs;
import org.dpo4j.kernels.UnpairedLoss.UnpairedResults;
import org.dpo4j.testkit.Tolerance;

/** Losses with their gradients and metrics: DPO's, aot, and KTO's with a baseline over as many completions. */
final class PreferenceLossBenchmark {
    private static final float BETA = 0.1f;
    /** Margins are below 100. In fp64 they, and their sigmoids, have an error of a few roundings of 100. */
    private static final double RELATIVE = Tolerance.doubles(8, 100);

    private PreferenceLossBenchmark() {}

    /** A shape with {@code statistics} has all inputs that a step of the trainer passes: lengths, statistics, and factors in memory. */
    static Prepared sigmoidOfPairs(Fixture fixture) {
        int pairs = fixture.count("pairs");
        boolean isOfTrainer = hasStatistics(fixture.shape());
        Operand lengths = fixture.ints(
                IntStream.range(0, isOfTrainer ? 2 * pairs : 0).map(i -> 1 + i).toArray());
        Operand statistics = fixture.normal(DType.F32, 1, isOfTrainer ? 2L * pairs * TokenLogProb.STATISTICS : 0);
        Operand scale = fixture.floats(1f / pairs, 0);
        Operand losses = fixture.zeros(DType.F32, pairs);
        Operand dSums = fixture.zeros(DType.F32, 2L * pairs);
        Operand metrics = fixture.zeros(DType.F32, 2L * PreferenceLoss.METRICS);
        Operand sums = fixture.normal(DType.F32, 10, 2L * pairs);
        Operand reference = fixture.normal(DType.F32, 10, 2L * pairs);
        PreferenceOptions options =
                PreferenceOptions.builder().loss(LossType.SIGMOID, 1).beta(BETA).build();
        return new Prepared(
                turn -> PreferenceLoss.compute(
                        fixture.device(),
                        new PairResults(losses.at(turn), dSums.at(turn), metrics.at(turn)),
                        isOfTrainer
                                ? new PairLogProbs(
                                        sums.at(turn), reference.at(turn), lengths.at(turn), statistics.at(turn))
                                : new PairLogProbs(sums.at(turn), reference.at(turn)),
                        pairs,
                        PreferenceLoss.NO_WORKSPACE,
                        isOfTrainer ? Scale.at(scale.at(turn)) : new Scale(1f / pairs),
                        options),
                gate -> {
                    for (int pair : fixture.sample(pairs)) {
                        double[] policy = sums.row(pair, 2);
                        double[] frozen = reference.row(pair, 2);
                        double x = BETA * (policy[0] - frozen[0] - policy[1] + frozen[1]);
                        double gradient = -BETA * sigmoid(-x) * (1f / pairs);
                        double[] slopes = dSums.row(pair, 2);
                        double[] actual = {losses.read(pair), slopes[0], slopes[1]};
                        values(gate, "pair " + pair, new double[] {-logSigmoid(x), gradient, -gradient}, actual);
                    }
                });
    }

    private static boolean hasStatistics(Shape shape) {
        return shape.countOr("statistics", 0) == 1;
    }

    /** As the top comment of the kernel counts them. */
    static double bytes(Shape shape) {
        return (hasStatistics(shape) ? 68.0 : 28.0) * shape.at("pairs");
    }

    /** The loss aot, which sorts two numbers of each pair. */
    static Prepared aot(Fixture fixture) {
        int pairs = fixture.count("pairs");
        PreferenceOptions options =
                PreferenceOptions.builder().loss(LossType.AOT, 1).beta(BETA).build();
        Operand losses = fixture.zeros(DType.F32, pairs);
        Operand dSums = fixture.zeros(DType.F32, 2L * pairs);
        Operand metrics = fixture.zeros(DType.F32, 2L * PreferenceLoss.METRICS);
        Operand workspace = fixture.zeros(DType.F32, PreferenceLoss.workspaceBytes(pairs, options) / Float.BYTES);
        Operand sums = fixture.normal(DType.F32, 10, 2L * pairs);
        Operand reference = fixture.normal(DType.F32, 10, 2L * pairs);
        return new Prepared(
                turn -> PreferenceLoss.compute(
                        fixture.device(),
                        new PairResults(losses.at(turn), dSums.at(turn), metrics.at(turn)),
                        new PairLogProbs(sums.at(turn), reference.at(turn)),
                        pairs,
                        workspace.at(turn),
                        new Scale(1f / pairs),
                        options),
                gate -> {
                    double[] first = differences(sums, pairs);
                    double[] second = differences(reference, pairs);
                    Integer[] order = IntStream.range(0, pairs).boxed().toArray(Integer[]::new);
                    Arrays.sort(order, Comparator.comparingDouble(i -> first[i]));
                    Arrays.sort(second);
                    for (int k : fixture.sample(pairs)) {
                        int pair = order[k];
                        double x = BETA * (first[pair] - second[k]);
                        double gradient = -BETA * sigmoid(-x) * (1f / pairs);
                        double[] slopes = dSums.row(pair, 2);
                        double[] actual = {losses.read(pair), slopes[0], slopes[1]};
                        values(gate, "pair " + pair, new double[] {-logSigmoid(x), gradient, -gradient}, actual);
                    }
                });
    }

    /** Chosen minus rejected of each pair. */
    private static double[] differences(Operand completions, int pairs) {
        double[] both = completions.read(0, 2 * pairs);
        return IntStream.range(0, pairs)
                .mapToDouble(i -> both[2 * i] - both[2 * i + 1])
                .toArray();
    }

    static Prepared kto(Fixture fixture) {
        int count = fixture.count("completions");
        Operand losses = fixture.zeros(DType.F32, count);
        Operand dSums = fixture.zeros(DType.F32, count);
        Operand metrics = fixture.zeros(DType.F32, 2L * PreferenceLoss.METRICS);
        Operand sums = fixture.normal(DType.F32, 10, count);
        Operand reference = fixture.normal(DType.F32, 10, count);
        Operand desirable =
                fixture.ints(IntStream.range(0, count).map(i -> i % 2).toArray());
        Operand klSums = fixture.normal(DType.F32, 10, count);
        Operand klReference = fixture.normal(DType.F32, 10, count);
        return new Prepared(
                turn -> UnpairedLoss.compute(
                        fixture.device(),
                        new UnpairedResults(losses.at(turn), dSums.at(turn), metrics.at(turn)),
                        new UnpairedLogProbs(sums.at(turn), reference.at(turn), desirable.at(turn), count),
                        new Baseline(klSums.at(turn), klReference.at(turn), count),
                        1f / count,
                        new UnpairedLoss.Options(UnpairedLoss.Type.KTO, BETA, 1, 1)),
                gate -> {
                    double[] policy = klSums.read(0, count);
                    double[] frozen = klReference.read(0, count);
                    double kl = IntStream.range(0, count)
                            .mapToDouble(i -> policy[i] - frozen[i])
                            .average()
                            .orElse(0);
                    for (int i : fixture.sample(count)) {
                        double sign = i % 2 == 0 ? -1 : 1;
                        double x = BETA * sign * (sums.read(i) - reference.read(i) - Math.max(0, kl));
                        double gradient = -sign * BETA * sigmoid(x) * sigmoid(-x) * (1f / count);
                        double[] actual = {losses.read(i), dSums.read(i)};
                        values(gate, "completion " + i, new double[] {sigmoid(-x), gradient}, actual);
                    }
                });
    }

    private static void values(Gate gate, String what, double[] expected, double[] actual) {
        gate.values(what, expected, actual, i -> Tolerance.roundedOnce(expected[i]) + RELATIVE * Math.abs(expected[i]));
    }
}
