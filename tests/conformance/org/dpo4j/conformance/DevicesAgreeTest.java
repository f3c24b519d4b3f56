package org.dpo4j.conformance;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.SequenceSum;
import org.dpo4j.kernels.SequenceSum.Sequences;
import org.dpo4j.kernels.UnpairedLoss;
import org.dpo4j.kernels.UnpairedLoss.Type;
import org.dpo4j.kernels.decoder.Embedding;
import org.dpo4j.kernels.decoder.GradientNorm;
import org.dpo4j.testkit.Draw;
import org.junit.jupiter.api.Tag;

/**
 * Compares the bits of every device with those of the portable one, and so every device with every other. Other tests
 * compare each device with a reference within a tolerance, so two devices may differ by twice that. Here they may not
 * differ (except in logarithms of a sum), for one of two reasons:
 *
 * <ul> <li>Nothing is rounded in any order of sums, because inputs are whole numbers and their sums are small.
 * <li>Arithmetic is fp64, and the result is rounded to fp32 once. If fp64 results of two devices differ by k units of
 * 2^-53, relatively, they round to different numbers only if a rounding boundary is between them: in k of 2^28 results.
 * Here k is below 300, because nothing cancels, so none of about 40,000 results is expected to differ. </ul>
 */
class DevicesAgreeTest {

    /** Whole numbers in [-max, max]. */
    private static double[] whole(int count, int max, long seed) {
        return new Random(seed).ints(count, -max, max + 1).asDoubleStream().toArray();
    }

    @OnEachDevice
    @Tag("small")
    void preferenceLosses(On on) {
        for (PreferenceVariant variant : PreferenceVariant.all()) {
            PreferenceCall call = variant.fit(PreferenceCall.random(64, 5));
            PreferenceCall.Left left = call.on(on, variant.options());
            PreferenceCall.Left portable = call.on(TestDevices.portable(), variant.options());
            Expect.sameBits(variant + " losses", left.lossBits(), portable.lossBits());
            Expect.sameBits(variant + " d_sums", left.dSumBits(), portable.dSumBits());
        }
    }

    @OnEachDevice
    @Tag("small")
    void unpairedLosses(On on) {
        for (Type type : Type.values()) {
            UnpairedLoss.Options options = new UnpairedLoss.Options(type, 0.1f, 1.5f, 0.75f);
            Expect.sameBits(type.name(), unpairedLoss(on, options), unpairedLoss(TestDevices.portable(), options));
        }
    }

    private static long[] unpairedLoss(On on, UnpairedLoss.Options options) {
        int count = 300;
        Draw draw = new Draw(7);
        try (Tensors tensors = new Tensors(on)) {
            Tensor losses = tensors.output("losses", DType.F32, 1, count);
            Tensor dSums = tensors.output("d_sums", DType.F32, 1, count);
            Tensor sums = tensors.vector("sums", DType.F32, draw.normal(count, 5));
            Tensor reference = tensors.vector("reference", DType.F32, draw.normal(count, 5));
            Tensor desirable = tensors.input("desirable", draw.indices(count, 2));
            tensors.run(device -> UnpairedLoss.compute(
                    device,
                    new UnpairedLoss.UnpairedResults(losses.address(), dSums.address()),
                    new UnpairedLoss.UnpairedLogProbs(sums.address(), reference.address(), desirable.address(), count),
                    UnpairedLoss.Baseline.NONE,
                    0.25f,
                    options));
            return both(losses, dSums);
        }
    }

    private static long[] both(Tensor one, Tensor other) {
        return IntStream.range(0, one.size() + other.size())
                .mapToLong(i -> i < one.size() ? one.bits()[i] : other.bits()[i - one.size()])
                .toArray();
    }

    /** Averages, with a tail factor of 1/3, so that no factor is a power of two. */
    @OnEachDevice
    @Tag("small")
    void sequenceSums(On on) {
        Expect.sameBits("sums and d_values", sequenceSums(TestDevices.portable(), 4), sequenceSums(on, 4));
        Expect.sameBits("sums and d_values", sequenceSums(TestDevices.portable(), 1), sequenceSums(on, 1));
    }

    private static long[] sequenceSums(On on, int width) {
        int[] ranges = {0, 33, 64, 65, 1000, 1300, 1301};
        int sequences = ranges.length - 1;
        int count = ranges[sequences];
        try (Tensors tensors = new Tensors(on)) {
            Tensor sums = tensors.output("sums", DType.F32, 1, sequences * width);
            Tensor dValues = tensors.output("d_values", DType.F32, 1, count * width);
            Tensor values = tensors.vector("values", DType.F32, new Draw(1).uniform(count * width, -9, -0.1));
            Tensor dSums = tensors.vector("d_sums", DType.F32, new Draw(2).normal(sequences * width, 1));
            Tensor offsets = tensors.input("offsets", ranges);
            Sequences arguments = new Sequences(offsets.address(), sequences, width, 1f / 3, true);
            tensors.run(device -> {
                SequenceSum.forward(device, sums.address(), values.address(), arguments);
                SequenceSum.backward(device, dValues.address(), dSums.address(), arguments);
            });
            return both(sums, dValues);
        }
    }

    /**
     * Each logit is one number or -inf, so every exponential is 1 or 0, and the sum is n, the number of finite logits.
     * Devices can differ only in log(n): by a unit in the last place if it is computed in fp32, and by the rounding of
     * its sum with the maximum.
     */
    @OnEachLogitsType
    @Tag("small")
    void tokenLogProbsOfEqualLogits(On on) {
        for (int vocabulary : new int[] {1, 7, 64, 1000, 5003}) {
            TokenLogProbCall call = equalLogits(12, vocabulary);
            TokenLogProbRun.Left left = new TokenLogProbRun(on).forward(call);
            TokenLogProbRun.Left portable = new TokenLogProbRun(TestDevices.portable(on.dtype())).forward(call);
            double ofLog = Math.ulp((float) Math.log(vocabulary));
            near("logprob of " + vocabulary, left.logprob(), portable.logprob(), ofLog);
            near("lse of " + vocabulary, left.lse(), portable.lse(), ofLog);
            near("statistics of " + vocabulary, left.statistics(), portable.statistics(), ofLog);
        }
    }

    private static void near(String what, double[] actual, double[] portable, double ofLog) {
        Expect.near(what, actual, portable, i -> ofLog + Math.ulp((float) portable[i]));
    }

    /**
     * Of four rows, one has all its logits finite, one three quarters of them, and so on. The target's logit is always
     * finite.
     */
    private static TokenLogProbCall equalLogits(int rows, int vocabulary) {
        Random random = new Random(vocabulary);
        double[] logits = new double[rows * vocabulary];
        int[] targets = new Draw(vocabulary).indices(rows, vocabulary);
        for (int row = 0; row < rows; row++) {
            int value = random.nextInt(33) - 16;
            for (int i = 0; i < vocabulary; i++) {
                boolean there = i == targets[row] || random.nextInt(4) >= row % 4;
                logits[row * vocabulary + i] = there ? value : Double.NEGATIVE_INFINITY;
            }
        }
        return TokenLogProbCall.of(logits, targets);
    }

    @OnEachDevice
    @Tag("small")
    void gradientNormsOfWholeNumbers(On on) {
        for (int count : new int[] {1, 31, 5003, 100_000}) {
            Expect.sameBits("norm of " + count, gradientNorm(on, count), gradientNorm(TestDevices.portable(), count));
        }
    }

    private static long[] gradientNorm(On on, int count) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor norm = tensors.output("norm", DType.F32, 1, 2);
            Tensor gradient = tensors.vector("gradient", DType.F32, whole(count, 100, count));
            Tensor workspace = tensors.workspace(GradientNorm.workspaceBytes(count));
            tensors.run(device ->
                    GradientNorm.compute(device, norm.address(), workspace.address(), gradient.address(), count, 1));
            return norm.bits();
        }
    }

    @OnEachDevice
    @Tag("small")
    void embeddingGradientsOfWholeNumbers(On on) {
        int[] indices = new Draw(3).indices(200, 9);
        int[] order = IntStream.range(0, indices.length)
                .boxed()
                .sorted((a, b) -> Integer.compare(indices[a], indices[b]))
                .mapToInt(i -> i)
                .toArray();
        int[] distinct = Arrays.stream(indices).sorted().distinct().toArray();
        int[] offsets = IntStream.rangeClosed(0, distinct.length)
                .map(s -> (int) Arrays.stream(indices)
                        .filter(i -> s == distinct.length || i < distinct[s])
                        .count())
                .toArray();
        for (int width : new int[] {1, 31, 64, 130}) {
            Expect.sameBits(
                    "d_table of width " + width,
                    embeddingGradient(on, width, order, offsets, distinct),
                    embeddingGradient(TestDevices.portable(), width, order, offsets, distinct));
        }
    }

    private static long[] embeddingGradient(On on, int width, int[] order, int[] offsets, int[] distinct) {
        int tableRows = distinct[distinct.length - 1] + 1;
        try (Tensors tensors = new Tensors(on)) {
            Tensor dTable = tensors.updated("d_table", DType.F32, tableRows, width, whole(tableRows * width, 50, 1))
                    .writes(row -> Arrays.binarySearch(distinct, row) >= 0);
            Tensor dOut =
                    tensors.input("d_out", DType.F32, order.length, width, whole(order.length * width, 1000, width));
            Tensor orders = tensors.input("order", order);
            Tensor ranges = tensors.input("offsets", offsets);
            Tensor occurring = tensors.input("distinct", distinct);
            tensors.run(device -> Embedding.backward(
                    device,
                    new Embedding.Table(dTable.address(), width, DType.F32),
                    dOut.address(),
                    new Embedding.SortedRows(orders.address(), ranges.address(), occurring.address(), distinct.length),
                    DType.F32));
            return dTable.bits();
        }
    }
}
