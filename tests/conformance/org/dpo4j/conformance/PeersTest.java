package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceLoss.Metric;
import org.dpo4j.kernels.PreferenceOptions;
import org.dpo4j.kernels.PreferenceOptions.Divergence;
import org.dpo4j.kernels.SequenceSum;
import org.dpo4j.kernels.SequenceSum.Sequences;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Logits;
import org.dpo4j.kernels.TokenLogProb.LogitsGradient;
import org.dpo4j.kernels.UnpairedLoss;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Compares losses and their gradients with respect to the logits with TRL's and Liger's code on the same numbers
 * (tests/golden/peers.md lists which agree). Cases in which a peer differs from the definitions are skipped; the file
 * states the reasons.
 */
class PeersTest {
    private static final JsonNode GOLDEN = Golden.read("peers.json");
    private static final int VOCABULARY = GOLDEN.get("vocabulary").asInt();
    private static final int STRIDE = (VOCABULARY + 3) / 4 * 4;
    private static final int[] LENGTHS = ints(GOLDEN.get("lengths"));
    private static final int[] TARGETS = ints(GOLDEN.get("targets"));
    private static final double[] LOGITS = rows(GOLDEN.get("logits"));
    private static final double[] REFERENCE_LOGITS = rows(GOLDEN.get("reference_logits"));
    private static final int COMPLETIONS = LENGTHS.length;
    private static final int TOKENS = TARGETS.length;

    /** The results of a case. */
    private record Left(double[] losses, double[] dSums, double[] metrics, double[] dLogits) {}

    @Test
    void everyLossThatAPeerHas() {
        Set<String> agreed = new HashSet<>();
        for (JsonNode each : GOLDEN.get("cases")) {
            if (agrees(each) && each.get("terms").size() == 1) {
                agreed.add(each.get("terms").get(0).get("loss").asText());
            }
        }
        for (LossType loss : LossType.values()) {
            if (loss != LossType.DPOP && loss != LossType.DPOP_ADDITIVE) { // neither TRL nor Liger has them
                assertThat(agreed).contains(loss.option());
            }
        }
        assertThat(agreed).contains("kto", "apo_zero_unpaired");
    }

    @OnEachDevice
    @Tag("small")
    void lossesAndGradients(On on) {
        for (JsonNode each : GOLDEN.get("cases")) {
            if (!agrees(each)) {
                continue;
            }
            Left left = compute(on, each);
            String what = on + " " + each.get("peer").asText() + " " + each.get("terms");
            double loss = Arrays.stream(left.losses).average().orElseThrow();
            // The error of a sum is that of its tokens' log-probs, of policy and reference; the error of a loss is its
            // slopes times that. The peers' numbers have nine digits, or the roundings of fp32.
            double ofSum = errorOfASum();
            double slopes = Arrays.stream(left.dSums).map(Math::abs).sum();
            double rounded = 32 * Tolerance.U;
            Expect.near(
                    what + " loss",
                    new double[] {loss},
                    new double[] {each.get("loss").asDouble()},
                    i -> slopes * ofSum + rounded * Math.abs(loss));
            double[] expected = rows(each.get("d_logits"));
            // The error of a slope is relative to the max slope, and is that of exponentials of sums.
            double largest = Arrays.stream(expected).map(Math::abs).max().orElseThrow();
            Expect.near(what + " d_logits", left.dLogits, expected, i -> (2 * ofSum + rounded) * largest);
            checkMetrics(what, each, left.metrics, ofSum);
        }
    }

    private static boolean agrees(JsonNode each) {
        return each.get("differs").isNull() && !each.has("error");
    }

    private static double errorOfASum() {
        double largest = 0;
        for (int s = 0, token = 0; s < COMPLETIONS; s++) {
            double sum = 0;
            for (int i = 0; i < LENGTHS[s]; i++, token++) {
                for (double[] logits : new double[][] {LOGITS, REFERENCE_LOGITS}) {
                    double[] row = Arrays.copyOfRange(logits, token * VOCABULARY, (token + 1) * VOCABULARY);
                    sum += Tolerance.logProb(row, TARGETS[token]);
                }
            }
            largest = Math.max(largest, sum);
        }
        return largest;
    }

    /**
     * TRL's DPOTrainer and KTOTrainer define the metrics of dpo4j; other trainers log other values under these names.
     */
    private static void checkMetrics(String what, JsonNode each, double[] metrics, double ofSum) {
        JsonNode theirs = each.get("metrics");
        if (!theirs.has("entropy")) {
            return;
        }
        record Named(String name, Metric metric) {}
        for (Named named : new Named[] {
            new Named("rewards/chosen", Metric.REWARD_CHOSEN),
            new Named("rewards/rejected", Metric.REWARD_REJECTED),
            new Named("rewards/accuracies", Metric.ACCURACY),
            new Named("logps/chosen", Metric.LOGP_CHOSEN),
            new Named("logps/rejected", Metric.LOGP_REJECTED),
            new Named("logits/chosen", Metric.LOGIT_CHOSEN),
            new Named("logits/rejected", Metric.LOGIT_REJECTED),
            new Named("entropy", Metric.ENTROPY),
            new Named("mean_token_accuracy", Metric.TOKEN_ACCURACY),
            new Named("kl", Metric.KL)
        }) {
            boolean counted = named.metric.count(metrics) > 0;
            if (theirs.has(named.name) && counted && comparable(each, named.name)) {
                double expected = theirs.get(named.name).asDouble();
                Expect.near(
                        what + " " + named.name,
                        new double[] {named.metric.mean(metrics)},
                        new double[] {expected},
                        i -> ofSum + 32 * Tolerance.U * Math.abs(expected));
            }
        }
    }

    /**
     * Rewards cannot be compared if the losses have no reference: dpo4j's then use only the policy, and TRL's
     * DPOTrainer always has a reference.
     */
    private static boolean comparable(JsonNode each, String name) {
        return !name.startsWith("rewards/") || hasReference(each) && !isOnly(each, LossType.SFT);
    }

    private static boolean isOnly(JsonNode each, LossType loss) {
        return each.get("terms").size() == 1
                && each.get("terms").get(0).get("loss").asText().equals(loss.option());
    }

    private static boolean hasReference(JsonNode each) {
        return !each.has("reference") || each.get("reference").asBoolean();
    }

    private static Left compute(On on, JsonNode each) {
        try (Tensors tensors = new Tensors(on)) {
            int[] ends = IntStream.rangeClosed(0, COMPLETIONS)
                    .map(s -> Arrays.stream(LENGTHS, 0, s).sum())
                    .toArray();
            Tensor targets = tensors.input("targets", TARGETS);
            Tensor offsets = tensors.input("offsets", ends);
            Tensor lengths = tensors.input("lengths", LENGTHS);
            Tensor logits = tensors.input("logits", DType.F32, TOKENS, VOCABULARY, STRIDE, LOGITS);
            Tensor referenceLogits =
                    tensors.input("reference_logits", DType.F32, TOKENS, VOCABULARY, STRIDE, REFERENCE_LOGITS);
            Tensor dLogits = tensors.output("d_logits", DType.F32, TOKENS, VOCABULARY, STRIDE);
            Tensor lse = tensors.output("lse", DType.F32, 1, TOKENS);
            Tensor logprob = tensors.output("logprob", DType.F32, 1, TOKENS);
            Tensor statistics = tensors.output("statistics", DType.F32, TOKENS, TokenLogProb.STATISTICS);
            Tensor referenceLse = tensors.output("reference_lse", DType.F32, 1, TOKENS);
            Tensor referenceLogprob = tensors.output("reference_logprob", DType.F32, 1, TOKENS);
            Tensor sums = tensors.output("sums", DType.F32, 1, COMPLETIONS);
            Tensor referenceSums = tensors.output("reference_sums", DType.F32, 1, COMPLETIONS);
            Tensor sumsOfStatistics = tensors.output("statistic_sums", DType.F32, COMPLETIONS, TokenLogProb.STATISTICS);
            Tensor dSums = tensors.output("d_sums", DType.F32, 1, COMPLETIONS);
            Tensor dLogprob = tensors.output("d_logprob", DType.F32, 1, TOKENS);
            Tensor metrics = tensors.updatedDoubles("metrics", new double[PreferenceLoss.METRICS]);
            boolean unpaired = each.has("desirable");
            Tensor losses = tensors.output("losses", DType.F32, 1, unpaired ? COMPLETIONS : COMPLETIONS / 2);
            Loss loss = unpaired ? unpaired(tensors, each) : paired(tensors, each);
            float tail = each.has("ld_alpha") ? (float) each.get("ld_alpha").asDouble() : 1;
            Sequences plain = new Sequences(offsets.address(), COMPLETIONS, 1, tail, false);
            Sequences wide = new Sequences(offsets.address(), COMPLETIONS, TokenLogProb.STATISTICS, 1, false);
            Logits policy = new Logits(logits.address(), VOCABULARY, STRIDE, DType.F32);
            tensors.run(device -> {
                TokenLogProb.forward(
                        device,
                        new TokenLogProb.TokenResults(logprob.address(), lse.address(), statistics.address()),
                        policy,
                        targets.address(),
                        TOKENS);
                TokenLogProb.forward(
                        device,
                        new TokenLogProb.TokenResults(referenceLogprob.address(), referenceLse.address()),
                        new Logits(referenceLogits.address(), VOCABULARY, STRIDE, DType.F32),
                        targets.address(),
                        TOKENS);
                SequenceSum.forward(device, sums.address(), logprob.address(), plain);
                SequenceSum.forward(device, referenceSums.address(), referenceLogprob.address(), plain);
                SequenceSum.forward(device, sumsOfStatistics.address(), statistics.address(), wide);
                loss.compute(device, new long[] {losses.address(), dSums.address(), metrics.address()}, new long[] {
                    sums.address(), referenceSums.address(), lengths.address(), sumsOfStatistics.address()
                });
                SequenceSum.backward(device, dLogprob.address(), dSums.address(), plain);
                TokenLogProb.backward(
                        device,
                        new LogitsGradient(dLogits.address(), STRIDE, DType.F32),
                        policy,
                        targets.address(),
                        lse.address(),
                        dLogprob.address(),
                        TOKENS);
            });
            return new Left(losses.values(), dSums.values(), metrics.values(), dLogits.values());
        }
    }

    /**
     * Computes a loss. {@code results} has the addresses of losses, d_sums and metrics; {@code inputs} those of sums,
     * reference, lengths and statistics.
     */
    private interface Loss {
        void compute(org.dpo4j.kernels.Device device, long[] results, long[] inputs);
    }

    private static Loss paired(Tensors tensors, JsonNode each) {
        PreferenceOptions options = options(each);
        int pairs = COMPLETIONS / 2;
        double[] mean = each.has("running_mean") ? Golden.numbers(each.get("running_mean")) : new double[0];
        Tensor runningMean = tensors.updatedDoubles("running_mean", mean);
        Tensor workspace = tensors.workspace(PreferenceLoss.workspaceBytes(pairs, options));
        boolean reference = options.hasReference() && hasReference(each);
        boolean sft = options.terms().stream().anyMatch(term -> term.loss() == LossType.SFT);
        int chosenTokens = IntStream.range(0, pairs).map(i -> LENGTHS[2 * i]).sum();
        return (device, results, inputs) -> PreferenceLoss.compute(
                device,
                new PreferenceLoss.PairResults(
                        results[0], results[1], results[2], mean.length == 0 ? 0 : runningMean.address()),
                new PreferenceLoss.PairLogProbs(inputs[0], reference ? inputs[1] : 0, inputs[2], inputs[3]),
                pairs,
                workspace.size() == 0 ? 0 : workspace.address(),
                new PreferenceLoss.Scale(1f / pairs, sft ? 1f / chosenTokens : 0),
                options);
    }

    private static Loss unpaired(Tensors tensors, JsonNode each) {
        String name = each.get("terms").get(0).get("loss").asText();
        UnpairedLoss.Type type = Arrays.stream(UnpairedLoss.Type.values())
                .filter(one -> one.option().equals(name))
                .findFirst()
                .orElseThrow();
        Tensor desirable = tensors.input("desirable", ints(each.get("desirable")));
        double[] others = Golden.numbers(each.get("kl_sums"));
        Tensor klSums = tensors.vector("kl_sums", DType.F32, others);
        Tensor klReference = tensors.vector("kl_reference", DType.F32, Golden.numbers(each.get("kl_reference")));
        UnpairedLoss.Options options = new UnpairedLoss.Options(
                type, number(each, "beta"), number(each, "desirable_weight"), number(each, "undesirable_weight"));
        return (device, results, inputs) -> UnpairedLoss.compute(
                device,
                new UnpairedLoss.UnpairedResults(results[0], results[1], results[2]),
                new UnpairedLoss.UnpairedLogProbs(
                        inputs[0], inputs[1], desirable.address(), inputs[2], inputs[3], COMPLETIONS),
                others.length == 0
                        ? UnpairedLoss.Baseline.NONE
                        : new UnpairedLoss.Baseline(klSums.address(), klReference.address(), others.length),
                1f / COMPLETIONS,
                options);
    }

    private static PreferenceOptions options(JsonNode each) {
        PreferenceOptions.Builder builder = PreferenceOptions.builder().beta(number(each, "beta"));
        for (JsonNode term : each.get("terms")) {
            builder.loss(LossType.fromOption(term.get("loss").asText()), number(term, "weight"));
        }
        each.fieldNames().forEachRemaining(name -> {
            switch (name) {
                case "label_smoothing" -> builder.labelSmoothing(number(each, name));
                case "divergence" ->
                    builder.divergence(Divergence.fromOption(each.get(name).asText()));
                case "divergence_alpha" -> builder.divergenceAlpha(number(each, name));
                case "weighting" -> builder.weighting(each.get(name).asBoolean());
                case "discopop_tau" -> builder.discopopTau(number(each, name));
                case "simpo_gamma" -> builder.simpoGamma(number(each, name));
                case "alphapo_alpha" -> builder.alphapoAlpha(number(each, name));
                default -> {}
            }
        });
        return builder.build();
    }

    private static float number(JsonNode each, String name) {
        return (float) each.get(name).asDouble();
    }

    private static int[] ints(JsonNode array) {
        return Arrays.stream(Golden.numbers(array)).mapToInt(x -> (int) x).toArray();
    }

    private static double[] rows(JsonNode rows) {
        return StreamSupport.stream(rows.spliterator(), false)
                .flatMapToDouble(row -> Arrays.stream(Golden.numbers(row)))
                .toArray();
    }
}
