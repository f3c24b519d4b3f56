package org.dpo4j.conformance;

import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceLoss.PairLogProbs;
import org.dpo4j.kernels.PreferenceLoss.PairResults;
import org.dpo4j.kernels.PreferenceLoss.Scale;
import org.dpo4j.kernels.PreferenceOptions;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.testkit.Draw;
import org.jspecify.annotations.Nullable;

/**
 * The inputs of one call of preference_loss, on the host. Null means that the call does not pass the array.
 *
 * @param sums chosen, rejected of each pair
 * @param reference likewise
 * @param lengths likewise
 * @param statistics a row each
 * @param metrics values that are added to
 * @param runningMean sum and count before the call
 * @param weights one for each pair
 */
record PreferenceCall(
        double[] sums,
        double @Nullable [] reference,
        int @Nullable [] lengths,
        double @Nullable [] statistics,
        double @Nullable [] metrics,
        double @Nullable [] runningMean,
        float pairScale,
        float tokenScale,
        double @Nullable [] weights) {

    /** Without weights. */
    PreferenceCall(
            double[] sums,
            double @Nullable [] reference,
            int @Nullable [] lengths,
            double @Nullable [] statistics,
            double @Nullable [] metrics,
            double @Nullable [] runningMean,
            float pairScale,
            float tokenScale) {
        this(sums, reference, lengths, statistics, metrics, runningMean, pairScale, tokenScale, null);
    }

    /** Results of the call, and its inputs as stored. */
    record Left(
            double[] losses,
            double[] dSums,
            double[] metrics,
            double[] runningMean,
            double[] sums,
            double[] reference,
            double[] statistics,
            long[] lossBits,
            long[] dSumBits) {}

    /** A call with sums and references only; metrics begin at 0. */
    static PreferenceCall of(double[] sums, double @Nullable [] reference) {
        return new PreferenceCall(sums, reference, null, null, new double[PreferenceLoss.METRICS], null, 1, 0);
    }

    /** Random pairs with all inputs that a loss may read. The token scale is 0. */
    static PreferenceCall random(int pairs, long seed) {
        Draw draw = new Draw(seed);
        double[] reference = Arrays.stream(draw.normal(2 * pairs, 60))
                .map(x -> -5 - Math.abs(x))
                .toArray();
        double[] move = draw.uniform(2 * pairs, -3, 3);
        double[] sums = new double[2 * pairs];
        Arrays.setAll(sums, i -> Math.min(-0.5, reference[i] + move[i]));
        int[] lengths =
                Arrays.stream(draw.indices(2 * pairs, 100)).map(n -> n + 1).toArray();
        double[] statistics = draw.uniform(2 * pairs * TokenLogProb.STATISTICS, 0, 5);
        return new PreferenceCall(
                sums, reference, lengths, statistics, new double[PreferenceLoss.METRICS], null, 1f / (pairs + 1), 0);
    }

    int pairs() {
        return sums.length / 2;
    }

    PreferenceCall withReference(double @Nullable [] other) {
        return new PreferenceCall(
                sums, other, lengths, statistics, metrics, runningMean, pairScale, tokenScale, weights);
    }

    PreferenceCall withTokenScale(float other) {
        return new PreferenceCall(
                sums, reference, lengths, statistics, metrics, runningMean, pairScale, other, weights);
    }

    PreferenceCall withRunningMean(double... other) {
        return new PreferenceCall(sums, reference, lengths, statistics, metrics, other, pairScale, tokenScale, weights);
    }

    PreferenceCall withMetrics(double @Nullable [] other) {
        return new PreferenceCall(
                sums, reference, lengths, statistics, other, runningMean, pairScale, tokenScale, weights);
    }

    PreferenceCall withWeights(double @Nullable ... other) {
        return new PreferenceCall(
                sums, reference, lengths, statistics, metrics, runningMean, pairScale, tokenScale, other);
    }

    double weight(int pair) {
        return weights == null ? 1 : weights[pair];
    }

    /** The same call with some of its pairs. */
    PreferenceCall select(int... pairs) {
        return new PreferenceCall(
                rows(sums, 2, pairs),
                reference == null ? null : rows(reference, 2, pairs),
                lengths == null
                        ? null
                        : Arrays.stream(pairs)
                                .flatMap(i -> Arrays.stream(lengths, 2 * i, 2 * i + 2))
                                .toArray(),
                statistics == null ? null : rows(statistics, 2 * TokenLogProb.STATISTICS, pairs),
                metrics,
                runningMean,
                pairScale,
                tokenScale,
                weights == null ? null : rows(weights, 1, pairs));
    }

    private static double[] rows(double[] all, int width, int... pairs) {
        return Arrays.stream(pairs)
                .boxed()
                .flatMapToDouble(i -> Arrays.stream(all, width * i, width * (i + 1)))
                .toArray();
    }

    Left on(On on, PreferenceOptions options) {
        return on(on, options, false);
    }

    /** Runs the call with the scale in device memory or by value. */
    Left on(On on, PreferenceOptions options, boolean scaleOnDevice) {
        int pairs = pairs();
        int width = TokenLogProb.STATISTICS;
        try (Tensors tensors = new Tensors(on)) {
            Tensor losses = tensors.output("losses", DType.F32, 1, pairs);
            Tensor dSums = tensors.output("d_sums", DType.F32, 1, 2 * pairs);
            Tensor metricSums = tensors.updatedDoubles("metrics", metrics == null ? new double[0] : metrics);
            Tensor mean = tensors.updatedDoubles("running_mean", runningMean == null ? new double[0] : runningMean);
            Tensor policy = tensors.input("sums", DType.F32, 1, 2 * pairs, sums);
            Tensor frozen = tensors.vector("reference", DType.F32, reference == null ? new double[0] : reference);
            Tensor tokens = tensors.input("lengths", lengths == null ? new int[0] : lengths);
            Tensor perToken = statistics == null
                    ? tensors.vector("statistics", DType.F32)
                    : tensors.input("statistics", DType.F32, 2 * pairs, width, statistics);
            Tensor factors = tensors.vector("weights", DType.F32, weights == null ? new double[0] : weights);
            Tensor scales = tensors.vector("scales", DType.F32, pairScale, tokenScale);
            Tensor workspace = tensors.workspace(PreferenceLoss.workspaceBytes(pairs, options));
            tensors.run(device -> PreferenceLoss.compute(
                    device,
                    new PairResults(
                            losses.address(),
                            dSums.address(),
                            metrics == null ? 0 : metricSums.address(),
                            runningMean == null ? 0 : mean.address()),
                    new PairLogProbs(
                            policy.address(),
                            reference == null ? 0 : frozen.address(),
                            lengths == null ? 0 : tokens.address(),
                            statistics == null ? 0 : perToken.address(),
                            weights == null ? 0 : factors.address()),
                    pairs,
                    workspace.size() == 0 ? 0 : workspace.address(),
                    scaleOnDevice ? Scale.at(scales.address()) : new Scale(pairScale, tokenScale),
                    options));
            return new Left(
                    losses.values(),
                    dSums.values(),
                    metricSums.values(),
                    mean.values(),
                    policy.values(),
                    frozen.values(),
                    perToken.values(),
                    losses.bits(),
                    dSums.bits());
        }
    }
}
