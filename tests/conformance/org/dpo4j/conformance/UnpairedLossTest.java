package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceLoss.Metric;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Statistic;
import org.dpo4j.kernels.UnpairedLoss;
import org.dpo4j.kernels.UnpairedLoss.Baseline;
import org.dpo4j.kernels.UnpairedLoss.Options;
import org.dpo4j.kernels.UnpairedLoss.Scale;
import org.dpo4j.kernels.UnpairedLoss.Type;
import org.dpo4j.kernels.UnpairedLoss.UnpairedLogProbs;
import org.dpo4j.kernels.UnpairedLoss.UnpairedResults;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.Functions;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

class UnpairedLossTest {

    /** The inputs of one call, on the host. */
    private record Call(
            double[] sums,
            double[] reference,
            int[] desirable,
            double[] klSums,
            double[] klReference,
            float scale,
            Options options) {

        static Call random(int completions, int others, Options options) {
            Draw draw = new Draw(completions + 7L * others);
            return new Call(
                    draw.normal(completions, 50),
                    draw.normal(completions, 50),
                    draw.indices(completions, 2),
                    draw.normal(others, 3),
                    draw.normal(others, 3),
                    0.25f,
                    options);
        }
    }

    private record Left(
            double[] losses,
            double[] dSums,
            double[] metrics,
            double[] sums,
            double[] reference,
            double[] klSums,
            double[] klReference,
            double[] statistics) {}

    private static int[] lengths(int completions) {
        return IntStream.range(0, completions).map(i -> i % 5 + 1).toArray();
    }

    private static Left compute(On on, Call call) {
        return compute(on, call, false);
    }

    /** Runs the call with the scale in device memory or by value. */
    private static Left compute(On on, Call call, boolean scaleOnDevice) {
        int count = call.sums.length;
        int others = call.klSums.length;
        try (Tensors tensors = new Tensors(on)) {
            Tensor losses = tensors.output("losses", DType.F32, 1, count);
            Tensor dSums = tensors.output("d_sums", DType.F32, 1, count);
            Tensor metrics = tensors.updatedDoubles("metrics", new double[PreferenceLoss.METRICS]);
            Tensor sums = tensors.vector("sums", DType.F32, call.sums);
            Tensor reference = tensors.vector("reference", DType.F32, call.reference);
            Tensor desirable = tensors.input("desirable", call.desirable);
            Tensor klSums = tensors.vector("kl_sums", DType.F32, call.klSums);
            Tensor klReference = tensors.vector("kl_reference", DType.F32, call.klReference);
            Tensor lengths = tensors.input("lengths", lengths(count));
            Tensor statistics = tensors.input(
                    "statistics",
                    DType.F32,
                    count,
                    TokenLogProb.STATISTICS,
                    new Draw(count).uniform(count * TokenLogProb.STATISTICS, 0, 5));
            Tensor scale = tensors.vector("scale_at", DType.F32, call.scale);
            tensors.run(device -> UnpairedLoss.compute(
                    device,
                    new UnpairedResults(losses.address(), dSums.address(), metrics.address()),
                    new UnpairedLogProbs(
                            sums.address(),
                            reference.address(),
                            desirable.address(),
                            lengths.address(),
                            statistics.address(),
                            count),
                    others == 0 ? Baseline.NONE : new Baseline(klSums.address(), klReference.address(), others),
                    scaleOnDevice ? Scale.at(scale.address()) : new Scale(call.scale, 0),
                    call.options));
            return new Left(
                    losses.values(),
                    dSums.values(),
                    metrics.values(),
                    sums.values(),
                    reference.values(),
                    klSums.values(),
                    klReference.values(),
                    statistics.values());
        }
    }

    @OnEachDevice
    @Tag("small")
    void losses(On on) {
        Options kto = new Options(Type.KTO, 0.1f, 1.5f, 0.75f);
        for (int completions : new int[] {1, 2, 9, 300}) {
            check(on, Call.random(completions, 0, kto));
            check(on, Call.random(completions, 5, kto));
            check(on, Call.random(completions, 400, kto));
            check(on, Call.random(completions, 0, new Options(Type.APO_ZERO_UNPAIRED, 0.2f, 1, 2)));
        }
        Left nothing = compute(on, Call.random(0, 3, kto));
        assertThat(nothing.metrics).containsOnly(0);
    }

    private static void check(On on, Call call) {
        Left left = compute(on, call);
        double mean = IntStream.range(0, left.klSums.length)
                .mapToDouble(i -> left.klSums[i] - left.klReference[i])
                .average()
                .orElse(0);
        double kl = Math.max(0, mean);
        int count = left.sums.length;
        double[] losses = new double[count];
        double[] dSums = new double[count];
        for (int i = 0; i < count; i++) {
            boolean desirable = call.desirable[i] == 1;
            double beta = call.options.beta();
            double weight = desirable ? call.options.desirableWeight() : call.options.undesirableWeight();
            double x = beta * (left.sums[i] - left.reference[i] - kl);
            double loss = Functions.sigmoid(desirable ? -x : x);
            losses[i] = weight * loss;
            dSums[i] = call.scale * weight * (desirable ? -1 : 1) * beta * loss * Functions.sigmoid(desirable ? x : -x);
        }
        // The error of x is some roundings of numbers up to 500 in fp64. The relative error of the sigmoids is at most
        // that.
        double relative = Tolerance.doubles(left.klSums.length + 8, 500);
        Expect.near(
                "losses", left.losses, losses, i -> Tolerance.roundedOnce(losses[i]) + relative * Math.abs(losses[i]));
        Expect.near("d_sums", left.dSums, dSums, i -> Tolerance.roundedOnce(dSums[i]) + relative * Math.abs(dSums[i]));
        checkMetrics(call, left, kl);
    }

    private static void checkMetrics(Call call, Left left, double kl) {
        double[] expected = new double[PreferenceLoss.METRICS];
        int[] lengths = lengths(left.sums.length);
        for (int i = 0; i < left.sums.length; i++) {
            boolean desirable = call.desirable[i] == 1;
            double reward = call.options.beta() * (left.sums[i] - left.reference[i]);
            add(expected, Metric.LOSS, left.losses[i], 1);
            add(expected, desirable ? Metric.REWARD_CHOSEN : Metric.REWARD_REJECTED, reward, 1);
            add(expected, desirable ? Metric.LOGP_CHOSEN : Metric.LOGP_REJECTED, left.sums[i], 1);
            double[] row =
                    Arrays.copyOfRange(left.statistics, i * TokenLogProb.STATISTICS, (i + 1) * TokenLogProb.STATISTICS);
            double logit = row[Statistic.MEAN_LOGIT.ordinal()];
            add(expected, desirable ? Metric.LOGIT_CHOSEN : Metric.LOGIT_REJECTED, logit, lengths[i]);
            add(expected, desirable ? Metric.LENGTH_CHOSEN : Metric.LENGTH_REJECTED, lengths[i], 1);
            add(expected, Metric.ENTROPY, row[Statistic.ENTROPY.ordinal()], lengths[i]);
            if (desirable) {
                add(expected, Metric.TOKEN_ACCURACY, row[Statistic.HIT.ordinal()], lengths[i]);
            }
        }
        add(expected, Metric.KL, left.sums.length * kl, left.sums.length);
        double allowed = Tolerance.doubles(left.sums.length + left.klSums.length, 500 * left.sums.length + 500);
        Expect.near("metrics", left.metrics, expected, m -> allowed);
    }

    private static void add(double[] metrics, Metric metric, double value, double count) {
        metrics[2 * metric.ordinal()] += value;
        metrics[2 * metric.ordinal() + 1] += count;
    }

    /** A scale in device memory gives the same results as the same scale by value. */
    @OnEachDevice
    @Tag("small")
    void scaleInDeviceMemory(On on) {
        Call call = Call.random(9, 5, new Options(Type.KTO, 0.1f, 1.5f, 0.75f));
        Left expected = compute(on, call);
        Left left = compute(on, call, true);
        Expect.exactly("losses", left.losses, expected.losses);
        Expect.exactly("d_sums", left.dSums, expected.dSums);
        Expect.exactly("metrics", left.metrics, expected.metrics);
    }

    /** Compares with 60-digit values, some of which are saturated. */
    @OnEachDevice
    @Tag("small")
    void golden(On on) {
        for (JsonNode each : Golden.read("unpaired_loss.json")) {
            Type type = Arrays.stream(Type.values())
                    .filter(one -> one.option().equals(each.get("loss").asText()))
                    .findFirst()
                    .orElseThrow();
            Call call = new Call(
                    Golden.numbers(each.get("sums")),
                    Golden.numbers(each.get("reference")),
                    Arrays.stream(Golden.numbers(each.get("desirable")))
                            .mapToInt(x -> (int) x)
                            .toArray(),
                    others(each, type, "kl_sums"),
                    others(each, type, "kl_reference"),
                    (float) Golden.number(each.get("scale")),
                    new Options(
                            type,
                            (float) Golden.number(each.get("beta")),
                            (float) Golden.number(each.get("desirable_weight")),
                            (float) Golden.number(each.get("undesirable_weight"))));
            Left left = compute(on, call);
            double[] losses = Golden.numbers(each.get("losses"));
            double[] dSums = Golden.numbers(each.get("d_sums"));
            // The argument of exp is at most 745, beyond which the result is 0. Its relative error is 2^-50.
            double relative = 745 * 0x1p-50;
            String what = each.get("name").asText();
            Expect.near(what, left.losses, losses, i -> Tolerance.roundedOnce(losses[i]) + relative * losses[i]);
            Expect.near(what, left.dSums, dSums, i -> Tolerance.roundedOnce(dSums[i]) + relative * Math.abs(dSums[i]));
        }
    }

    /** Values of the baseline's completions. Only kto has a baseline. */
    private static double[] others(JsonNode each, Type type, String name) {
        return type == Type.KTO ? Golden.numbers(each.get(name)) : new double[0];
    }

    @OnEachDevice
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor losses = tensors.output("losses", DType.F32, 1, 2);
            Tensor dSums = tensors.output("d_sums", DType.F32, 1, 2);
            Tensor metrics = tensors.updatedDoubles("metrics", new double[PreferenceLoss.METRICS]);
            Tensor sums = tensors.vector("sums", DType.F32, 1, 2);
            Tensor reference = tensors.vector("reference", DType.F32, 1, 2);
            Tensor desirable = tensors.input("desirable", 1, 0);
            Tensor klSums = tensors.vector("kl_sums", DType.F32, 1);
            Tensor klReference = tensors.vector("kl_reference", DType.F32, 1);
            Tensor lengths = tensors.input("lengths", 1, 2);
            Tensor statistics = tensors.vector("statistics", DType.F32, new double[8]);
            new Refusals(tensors, "unpaired_loss")
                    .indices("losses", losses)
                    .indices("d_sums", dSums)
                    .addressOrNull("metrics", metrics)
                    .indices("sums", sums)
                    .indices("reference", reference)
                    .indices("desirable", desirable)
                    .indices("kl_sums", klSums)
                    .indices("kl_reference", klReference)
                    .indices("lengths", lengths)
                    .addressOrNull("statistics", statistics)
                    .size("completions", 2, -1)
                    .size("kl_completions", 1, -1)
                    .number("scale", 1, Float.NaN)
                    .number("beta", 0.1f, 0, -1, Float.NaN, Float.POSITIVE_INFINITY)
                    .number("desirable_weight", 1, -1, Float.NaN)
                    .number("undesirable_weight", 0, -1, Float.POSITIVE_INFINITY)
                    .check((device, a) -> UnpairedLoss.compute(
                            device,
                            new UnpairedResults(a.get("losses"), a.get("d_sums"), a.get("metrics")),
                            new UnpairedLogProbs(
                                    a.get("sums"),
                                    a.get("reference"),
                                    a.get("desirable"),
                                    a.get("lengths"),
                                    a.get("statistics"),
                                    a.get("completions")),
                            new Baseline(a.get("kl_sums"), a.get("kl_reference"), a.get("kl_completions")),
                            a.number("scale"),
                            new Options(
                                    Type.KTO,
                                    a.number("beta"),
                                    a.number("desirable_weight"),
                                    a.number("undesirable_weight"))));
            Tensor scale = tensors.vector("scale_at", DType.F32, 1);
            for (Scale bad : List.of(Scale.at(scale.address() + 2), new Scale(1, scale.address()))) {
                assertThatThrownBy(() -> tensors.run(device -> UnpairedLoss.compute(
                                device,
                                new UnpairedResults(losses.address(), dSums.address()),
                                new UnpairedLogProbs(sums.address(), reference.address(), desirable.address(), 2),
                                Baseline.NONE,
                                bad,
                                Options.forLoss(Type.KTO))))
                        .hasMessageStartingWith("unpaired_loss: scale");
            }
            Call call = Call.random(2, 3, new Options(Type.APO_ZERO_UNPAIRED, 1, 1, 1));
            assertThatThrownBy(() -> compute(on, call)).hasMessageContaining("kl_completions");
        }
    }
}
