package org.dpo4j.pytorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.dpo4j.pytorch.Errors.U;
import static org.dpo4j.pytorch.Layer.OFFSETS;
import static org.dpo4j.pytorch.Layer.PAIRS;
import static org.dpo4j.pytorch.Layer.TARGETS;
import static org.dpo4j.pytorch.Layer.VOCABULARY;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceLoss.Metric;
import org.dpo4j.kernels.PreferenceLoss.Scale;
import org.dpo4j.kernels.PreferenceOptions;
import org.dpo4j.pytorch.TorchPreferenceLoss.Completions;
import org.dpo4j.pytorch.TorchPreferenceLoss.Result;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Compares losses and gradients with libtorch's autograd of log softmax, gather and the formula, in double precision on
 * the same logits.
 */
class TorchPreferenceLossTest {
    private final Random random = new Random(17);
    private PointerScope scope = new PointerScope();

    @BeforeEach
    void open() {
        scope = new PointerScope();
    }

    @AfterEach
    void close() {
        scope.close();
    }

    static Stream<Arguments> cases() {
        Stream<TorchLoss> losses =
                Stream.of(TorchLoss.SIGMOID, TorchLoss.IPO, TorchLoss.SIMPO, TorchLoss.SIGMOID_AND_SFT, TorchLoss.AOT);
        return Stream.concat(
                        losses.map(loss -> Arguments.of(loss, ScalarType.Float)),
                        Stream.of(ScalarType.BFloat16, ScalarType.Half)
                                .map(type -> Arguments.of(TorchLoss.SIGMOID, type)))
                .flatMap(of -> Stream.of(false, true).map(inPlace -> Arguments.of(of.get()[0], of.get()[1], inPlace)));
    }

    @ParameterizedTest(name = "{0} of {1}, in place: {2}")
    @MethodSource("cases")
    void gradientsEqualThoseOfAutograd(TorchLoss torchLoss, ScalarType type, boolean inPlace) {
        Layer layer = Layer.of(random, type);
        Tensor exact = layer.logits().detach().to(ScalarType.Double).requires_grad_(true);
        Tensor reference = Values.normal(random, 5, 2 * PAIRS).sub(new Scalar(15));
        Scale scale = new Scale(1f / PAIRS, torchLoss.tokenScale());
        Result result;
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(layer.logits(), torchLoss.options())) {
            Tensor given = torchLoss.reference() ? reference : null;
            Completions completions = Layer.completions(layer.logits());
            result = inPlace ? loss.computeInPlace(completions, given, scale) : loss.compute(completions, given, scale);
        }

        Tensor sums = TorchLoss.sums(exact, TARGETS, OFFSETS);
        Tensor leaf = sums.detach().requires_grad_(true);
        Tensor losses = torchLoss.losses(leaf, reference, TARGETS, OFFSETS, scale.pair());
        losses.sum().mul(new Scalar((double) scale.pair())).backward();
        sums.backward(leaf.grad(), new BoolOptional(), false, new TensorArrayRefOptional());

        Errors errors = Errors.of(exact, sums, leaf.grad(), torchLoss.curvature() * scale.pair())
                .in(type);
        Errors.near(torchLoss + " sums", result.logProbs(), sums, errors.sum());
        // The error of a loss is at most d loss / d sum times the error of its two sums, plus one rounding.
        double[] expectedLosses = Values.of(losses);
        Errors.near(
                torchLoss + " losses",
                result.losses(),
                losses,
                2 * errors.sum() * (errors.slope() / scale.pair() + torchLoss.curvature() * errors.sum())
                        + U * Values.maxMagnitude(expectedLosses));
        Errors.near(torchLoss + " gradient", result.gradient(), exact.grad(), errors.stored(errors.slope()));
        double meanLoss = Metric.LOSS.mean(Values.of(result.metrics()));
        assertThat(meanLoss)
                .as("the metric is the mean of the losses as they are rounded")
                .isCloseTo(
                        Arrays.stream(Values.of(result.losses())).sum() / PAIRS,
                        within(U * Values.maxMagnitude(expectedLosses)));

        result.backward();
        Tensor dWeight = exact.grad().t().mm(layer.hidden().detach().to(ScalarType.Double));
        Tensor dHidden = exact.grad().mm(layer.weight().detach().to(ScalarType.Double));
        Errors.near(
                torchLoss + " d_weight",
                layer.weight().grad(),
                dWeight,
                errors.product(exact.grad().t(), layer.hidden()));
        Errors.near(
                torchLoss + " d_hidden", layer.hidden().grad(), dHidden, errors.product(exact.grad(), layer.weight()));
    }

    /** Entropy, hits and mean logits of the tokens that are not masked. */
    @Test
    void metricsOfUnmaskedTokens() {
        Layer layer = Layer.of(random, ScalarType.Float);
        Tensor exact = layer.logits().detach().to(ScalarType.Double);
        double[] metrics;
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(layer.logits(), TorchLoss.SIMPO.options())) {
            metrics = Values.of(loss.compute(Layer.completions(layer.logits()), null, new Scale(1))
                    .metrics());
        }
        Errors errors = Errors.of(exact, exact, exact, 0);
        Tensor logs = exact.log_softmax(1);
        Tensor hits = exact.argmax(new LongOptional(1), false).eq(Values.ints(TARGETS));
        double max = Values.maxMagnitude(Values.of(logs));
        // -sum p log p: the errors of a softmax and of a log-prob. A mean logit: one rounding per term.
        expect(
                metrics,
                Metric.ENTROPY,
                mean(exact.softmax(1).mul(logs).sum(1).neg(), 0, 1),
                errors.softmax() * max + errors.logProb());
        expect(metrics, Metric.TOKEN_ACCURACY, mean(hits.to(ScalarType.Double), 0), 0x1p-52);
        double ofMean = VOCABULARY * U * Values.maxMagnitude(Values.of(exact));
        expect(metrics, Metric.LOGIT_CHOSEN, mean(exact.mean(1), 0), ofMean);
        expect(metrics, Metric.LOGIT_REJECTED, mean(exact.mean(1), 1), ofMean);
    }

    private static void expect(double[] metrics, Metric metric, double expected, double tolerance) {
        assertThat(metric.mean(metrics)).as(metric.name()).isCloseTo(expected, within(tolerance));
    }

    /** The mean over unmasked tokens of chosen completions (0), rejected ones (1) or both. */
    private static double mean(Tensor values, int... sides) {
        double[] logProbs = Values.of(values);
        double sum = 0;
        int count = 0;
        for (int side : sides) {
            for (int s = side; s < 2 * PAIRS; s += 2) {
                for (int row = OFFSETS[s]; row < OFFSETS[s + 1]; row++) {
                    sum += TARGETS[row] < 0 ? 0 : logProbs[row];
                    count += TARGETS[row] < 0 ? 0 : 1;
                }
            }
        }
        return sum / count;
    }

    /**
     * WPO multiplies losses and gradients by the exponential of the sum, over both completions, of the mean of {@code
     * log p(target) - log sum p^2}.
     */
    @Test
    void weightsPairsAsWpo() {
        Layer layer = Layer.of(random, ScalarType.Float);
        Tensor exact = layer.logits().detach().to(ScalarType.Double);
        Tensor reference = Values.normal(random, 1, 2 * PAIRS);
        PreferenceOptions weighted = PreferenceOptions.builder()
                .loss(LossType.SIGMOID)
                .weighting(true)
                .build();
        try (TorchPreferenceLoss plain =
                        TorchPreferenceLoss.on(layer.logits(), PreferenceOptions.forLoss(LossType.SIGMOID));
                TorchPreferenceLoss loss = TorchPreferenceLoss.on(layer.logits(), weighted)) {
            Result unit = plain.compute(Layer.completions(layer.logits()), reference, new Scale(1));
            Result result = loss.compute(Layer.completions(layer.logits()), reference, new Scale(1));
            Tensor members = TorchLoss.members(TARGETS, OFFSETS);
            Tensor logWeights = TorchLoss.logProbs(exact, TARGETS)
                    .sub(exact.log_softmax(1)
                            .mul(new Scalar(2))
                            .exp()
                            .sum(1)
                            .log()
                            .unsqueeze(1));
            Tensor means = members.mm(logWeights).squeeze(1).div(members.sum(1));
            double[] weights = Values.of(means.view(-1, 2).sum(1).exp());
            // The error of log sum p^2 is at most twice that of a log-prob, because it is one of doubled logits. Both
            // errors are bounded to first order.
            double relative = 2 * 3 * Errors.of(exact, exact, exact, 0).logProb() + 8 * U;
            for (int pair = 0; pair < PAIRS; pair++) {
                double expected = weights[pair] * Values.of(unit.losses())[pair];
                assertThat(Values.of(result.losses())[pair]).isCloseTo(expected, within(relative * expected));
                int row = OFFSETS[2 * pair + 1] - 1;
                double[] gradient = Values.of(result.gradient().select(0, row));
                double[] unweighted = Values.of(unit.gradient().select(0, row));
                double element = weights[pair] * unweighted[TARGETS[row]];
                assertThat(gradient[TARGETS[row]]).isCloseTo(element, within(relative * Math.abs(element)));
            }
        }
    }

    @Test
    void maskedRowsAndRowsOfNoCompletionHaveAGradientOfZero() {
        Layer layer = Layer.of(random, ScalarType.Float);
        Tensor reference = Values.normal(random, 1, 2 * PAIRS);
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(layer.logits(), TorchLoss.IPO.options())) {
            Tensor gradient = loss.compute(Layer.completions(layer.logits()), reference, new Scale(1))
                    .gradient();
            for (int row : new int[] {9, 14, 15, 16}) {
                assertThat(Values.maxMagnitude(Values.of(gradient.select(0, row))))
                        .as("row " + row)
                        .isZero();
            }
            assertThat(Values.maxMagnitude(Values.of(gradient.select(0, 10)))).isGreaterThan(0);
        }
    }

    /**
     * As in TRL's BCOTrainer, the mean that shifts the loss includes the rewards of this call and of all calls before.
     */
    @Test
    void theShiftOfBcoIsTheMeanOverAllCalls() {
        double beta = 0.5;
        PreferenceOptions options = PreferenceOptions.builder()
                .loss(LossType.BCO_PAIR)
                .beta((float) beta)
                .build();
        Tensor reference = Values.normal(random, 1, 2 * PAIRS);
        double sum = 0;
        int count = 0;
        Layer layer = Layer.of(random, ScalarType.Float);
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(layer.logits(), options)) {
            for (int call = 0; call < 3; call++) {
                layer = Layer.of(random, ScalarType.Float);
                Result result = loss.compute(Layer.completions(layer.logits()), reference, new Scale(1));
                double[] logProbs = Values.of(result.logProbs());
                double[] referenceLogProbs = Values.of(reference);
                double[] rewards = new double[2 * PAIRS];
                Arrays.setAll(rewards, s -> beta * (logProbs[s] - referenceLogProbs[s]));
                sum += Arrays.stream(rewards).sum();
                count += rewards.length;
                for (int pair = 0; pair < PAIRS; pair++) {
                    double expected = softplus(-(rewards[2 * pair] - sum / count))
                            + softplus(rewards[2 * pair + 1] - sum / count);
                    // Double arithmetic on the same sums, rounded once.
                    assertThat(Values.of(result.losses())[pair]).isCloseTo(expected, within(1.001 * U * expected));
                }
            }
        }
    }

    private static double softplus(double x) {
        return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
    }

    /** If the policy is its own reference, the loss is ln 2 to the last bit, and rewards are exactly 0. */
    @Test
    void logProbsOfTheReferenceAreThoseOfThePolicy() {
        Layer layer = Layer.of(random, ScalarType.Float);
        try (TorchPreferenceLoss loss =
                TorchPreferenceLoss.on(layer.logits(), PreferenceOptions.forLoss(LossType.SIGMOID))) {
            Tensor reference = loss.logProbs(Layer.completions(layer.logits().detach()));
            assertThat(reference.requires_grad()).isFalse();
            Result result = loss.compute(Layer.completions(layer.logits()), reference, new Scale(1f / PAIRS));
            assertThat(Values.of(result.logProbs())).isEqualTo(Values.of(reference));
            assertThat(Values.of(result.losses())).containsOnly((float) Math.log(2));
            assertThat(Metric.MARGIN.mean(Values.of(result.metrics()))).isZero();
        }
    }
}
