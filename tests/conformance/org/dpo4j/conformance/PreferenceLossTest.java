package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceLoss.Metric;
import org.dpo4j.kernels.PreferenceOptions;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;

class PreferenceLossTest {

    private record Results(double[] losses, double[] dSums, double[] metrics, double[] sums, double[] reference) {}

    private static Results compute(
            On on,
            double[] sumValues,
            double @Nullable [] referenceValues,
            PreferenceOptions options,
            double... start) {
        int pairs = sumValues.length / 2;
        try (Tensors tensors = new Tensors(on)) {
            Tensor losses = tensors.output("losses", DType.F32, 1, pairs);
            Tensor dSums = tensors.output("d_sums", DType.F32, 1, 2 * pairs);
            // Without start values there are no metrics.
            Tensor metrics = tensors.updatedDoubles("metrics", start);
            Tensor sums = tensors.input("sums", DType.F32, 1, 2 * pairs, sumValues);
            double[] zeros = new double[2 * pairs];
            Tensor reference = tensors.input(
                    "reference", DType.F32, 1, 2 * pairs, referenceValues == null ? zeros : referenceValues);
            tensors.run(device -> PreferenceLoss.compute(
                    device,
                    losses.address(),
                    dSums.address(),
                    start.length == 0 ? 0 : metrics.address(),
                    sums.address(),
                    referenceValues == null ? 0 : reference.address(),
                    pairs,
                    options));
            return new Results(losses.values(), dSums.values(), metrics.values(), sums.values(), reference.values());
        }
    }

    private static PreferenceOptions sigmoid(double beta, double labelSmoothing, double gradientScale) {
        return new PreferenceOptions(LossType.SIGMOID, (float) beta, (float) labelSmoothing, (float) gradientScale);
    }

    @OnEachDevice
    @Tag("small")
    void losses(On on) {
        for (int pairs : new int[] {1, 2, 7, 33, 0}) {
            check(on, pairs, sigmoid(0.1, 0, 1.0 / 7));
            check(on, pairs, sigmoid(0.5, 0.1, 1));
        }
    }

    @OnEachDevice
    void lossesOfManyPairs(On on) {
        check(on, 1025, sigmoid(0.1, 0, 1.0 / 1025));
        check(on, 5000, sigmoid(0.05, 0.2, 1.0 / 5000));
    }

    private static void check(On on, int pairs, PreferenceOptions options) {
        Draw draw = new Draw(pairs);
        double[] start = draw.normal(PreferenceLoss.METRICS, 10);
        Results results = compute(on, draw.normal(2 * pairs, 60), draw.normal(2 * pairs, 60), options, start);
        double[] losses = new double[pairs];
        double[] dSums = new double[2 * pairs];
        double[] metrics = start.clone();
        double[] magnitudes = Arrays.stream(start).map(Math::abs).toArray();
        for (int i = 0; i < pairs; i++) {
            double beta = options.beta();
            double chosen = results.sums[2 * i];
            double rejected = results.sums[2 * i + 1];
            double referenceChosen = results.reference[2 * i];
            double referenceRejected = results.reference[2 * i + 1];
            double margin = ReferencePreferenceLoss.margin(beta, chosen, rejected, referenceChosen, referenceRejected);
            double rewardChosen = beta * (chosen - referenceChosen);
            double rewardRejected = beta * (rejected - referenceRejected);
            losses[i] = ReferencePreferenceLoss.sigmoid(margin, options.labelSmoothing());
            dSums[2 * i] = options.gradientScale()
                    * beta
                    * ReferencePreferenceLoss.sigmoidSlope(margin, options.labelSmoothing());
            dSums[2 * i + 1] = -dSums[2 * i];
            double[] ofPair = {
                1,
                losses[i],
                rewardChosen,
                rewardRejected,
                rewardChosen > rewardRejected ? 1 : 0,
                margin,
                chosen,
                rejected
            };
            for (int m = 0; m < ofPair.length; m++) {
                metrics[m] += ofPair[m];
                magnitudes[m] += Math.abs(ofPair[m]) + beta * (Math.abs(chosen) + Math.abs(rejected));
            }
        }
        String what = pairs + " pairs, " + options;
        Expect.near(what + " losses", results.losses, losses, i -> Tolerance.roundedOnce(losses[i]));
        Expect.near(what + " d_sums", results.dSums, dSums, i -> Tolerance.roundedOnce(dSums[i]));
        Expect.near(what + " metrics", results.metrics, metrics, m -> Tolerance.doubles(pairs + 1, magnitudes[m]));
    }

    /** 60-digit values, saturated margins among them. */
    @OnEachDevice
    @Tag("small")
    void golden(On on) {
        for (JsonNode each : Golden.read("preference_loss.json")) {
            double[] sums = Golden.numbers(each.get("sums"));
            PreferenceOptions options =
                    sigmoid(Golden.number(each.get("beta")), Golden.number(each.get("label_smoothing")), 1);
            Results results = compute(
                    on, new double[] {sums[0], sums[1]}, new double[] {sums[2], sums[3]}, options, new double[8]);
            double loss = Golden.number(each.get("loss"));
            double dChosen = Golden.number(each.get("d_chosen"));
            // The margin's own roundings in fp64: they matter where log-ratios cancel, and where the loss falls with
            // exp(-margin).
            double ofMargin = 4
                    * 0x1p-53
                    * options.beta()
                    * Arrays.stream(sums).map(Math::abs).sum();
            Expect.near(
                    each + " loss",
                    results.losses,
                    new double[] {loss},
                    i -> Tolerance.roundedOnce(loss) + loss * ofMargin + ofMargin * Math.abs(dChosen));
            Expect.near(
                    each + " d_sums",
                    results.dSums,
                    new double[] {dChosen, -dChosen},
                    i -> Tolerance.roundedOnce(dChosen)
                            + Math.abs(dChosen) * ofMargin
                            + options.labelSmoothing() * 0x1p-52);
            assertThat(results.metrics[Metric.LOSS.ordinal()]).isFinite();
        }
    }

    /** Policy and reference alike, as in the first step of training: loss ln 2, rewards exactly 0, nobody is right. */
    @OnEachDevice
    @Tag("small")
    void theFirstStep(On on) {
        double[] sums = new Draw(1).normal(40, 200);
        Results results = compute(on, sums, sums, sigmoid(0.1, 0, 1), new double[8]);
        double[] lnTwo = new double[20];
        Arrays.fill(lnTwo, (float) Math.log(2));
        Expect.exactly("losses", results.losses, lnTwo);
        for (Metric zero :
                new Metric[] {Metric.REWARD_CHOSEN, Metric.REWARD_REJECTED, Metric.MARGIN, Metric.ACCURACY}) {
            assertThat(results.metrics[zero.ordinal()]).as(zero.name()).isZero();
        }
        for (int i = 0; i < 40; i++) {
            assertThat(results.dSums[i]).isEqualTo((i % 2 == 0 ? -1 : 1) * (double) (float) (0.1f * 0.5));
        }
    }

    /** Chosen and rejected alike: the margin is exactly 0 whatever the reference-free sums are. */
    @OnEachDevice
    @Tag("small")
    void referenceFree(On on) {
        Results alike = compute(on, new double[] {-7, -7, -1e4, -1e4}, null, sigmoid(2, 0, 1), new double[8]);
        Expect.exactly("losses", alike.losses, new double[] {(float) Math.log(2), (float) Math.log(2)});
        double[] sums = new Draw(2).normal(20, 3);
        Results free = compute(on, sums, null, sigmoid(2, 0, 1), new double[8]);
        Results zeros = compute(on, sums, new double[20], sigmoid(2, 0, 1), new double[8]);
        Expect.exactly("losses", free.losses, zeros.losses);
        Expect.exactly("d_sums", free.dSums, zeros.dSums);
        Expect.exactly("metrics", free.metrics, zeros.metrics);
    }

    @OnEachDevice
    @Tag("small")
    void metricsMayBeLeftOut(On on) {
        double[] sums = new Draw(3).normal(20, 3);
        Results without = compute(on, sums, new double[20], sigmoid(2, 0, 1));
        Results with = compute(on, sums, new double[20], sigmoid(2, 0, 1), new double[8]);
        Expect.exactly("losses", without.losses, with.losses);
        Expect.exactly("d_sums", without.dSums, with.dSums);
    }

    @OnEachDevice
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor losses = tensors.output("losses", DType.F32, 1, 2);
            Tensor dSums = tensors.output("d_sums", DType.F32, 1, 4);
            Tensor metrics = tensors.updatedDoubles("metrics", new double[8]);
            Tensor sums = tensors.vector("sums", DType.F32, 1, 2, 3, 4);
            Tensor reference = tensors.vector("reference", DType.F32, 1, 2, 3, 4);
            new Refusals(tensors, "preference_loss")
                    .address("losses", losses)
                    .address("d_sums", dSums)
                    .addressOrNull("metrics", metrics)
                    .address("sums", sums)
                    .addressOrNull("reference", reference)
                    .size("pairs", 2, -1)
                    .number("beta", 0.1f, 0, -1, Float.NaN, Float.POSITIVE_INFINITY)
                    .number("label_smoothing", 0.1f, -0.1f, 0.5f, Float.NaN)
                    .number("gradient_scale", 1, Float.NaN, Float.POSITIVE_INFINITY)
                    .check((device, a) -> PreferenceLoss.compute(
                            device,
                            a.get("losses"),
                            a.get("d_sums"),
                            a.get("metrics"),
                            a.get("sums"),
                            a.get("reference"),
                            a.get("pairs"),
                            sigmoid(a.number("beta"), a.number("label_smoothing"), a.number("gradient_scale"))));
        }
    }
}
