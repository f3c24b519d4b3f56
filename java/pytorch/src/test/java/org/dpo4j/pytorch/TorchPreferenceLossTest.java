package org.dpo4j.pytorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.global.torch;
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
import org.junit.jupiter.params.provider.MethodSource;

/** Losses and gradients against libtorch's autograd of log softmax, gather and the formula, in double precision on the same logits. */
class TorchPreferenceLossTest {
    /** Unit roundoff of fp32. */
    private static final double U = 0x1p-24;

    private static final int VOCABULARY = 48;
    private static final int WIDTH = 24;

    /** Three pairs; rows 14 to 16 belong to none, completion 4 begins with a masked row. */
    private static final int[] OFFSETS = {0, 2, 5, 6, 9, 12, 14};

    private static final int[] TARGETS = {3, 0, 47, 7, 7, 11, 20, 21, 22, -1, 30, 31, 5, 6, 8, 9, 10};
    private static final int ROWS = TARGETS.length;
    private static final int PAIRS = 3;

    private final Random random = new Random(17);
    private PointerScope scope = new PointerScope();

    /** A linear layer: {@code logits = hidden weight^T}, with a graph to both. */
    private record Layer(Tensor hidden, Tensor weight, Tensor logits) {}

    @BeforeEach
    void open() {
        scope = new PointerScope();
    }

    @AfterEach
    void close() {
        scope.close();
    }

    static Stream<TorchLoss> losses() {
        return Stream.of(TorchLoss.SIGMOID, TorchLoss.IPO, TorchLoss.SIMPO, TorchLoss.SIGMOID_AND_SFT, TorchLoss.AOT);
    }

    @ParameterizedTest
    @MethodSource("losses")
    void gradientsAreAutograds(TorchLoss of) {
        check(of, false);
    }

    @ParameterizedTest
    @MethodSource("losses")
    void gradientsInPlaceAreAutograds(TorchLoss of) {
        check(of, true);
    }

    private void check(TorchLoss of, boolean inPlace) {
        Layer layer = layer();
        Tensor exact = layer.logits.detach().to(ScalarType.Double).requires_grad_(true);
        Tensor reference = Values.normal(random, 5, 2 * PAIRS).sub(new Scalar(15));
        Scale scale = new Scale(1f / PAIRS, of.tokenScale());
        Result result;
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(layer.logits, of.options())) {
            Tensor given = of.reference() ? reference : null;
            Completions completions = completions(layer.logits);
            result = inPlace ? loss.computeInPlace(completions, given, scale) : loss.compute(completions, given, scale);
        }

        Tensor sums = TorchLoss.sums(exact, TARGETS, OFFSETS);
        Tensor leaf = sums.detach().requires_grad_(true);
        Tensor losses = of.losses(leaf, reference, TARGETS, OFFSETS, scale.pair());
        losses.sum().mul(new Scalar((double) scale.pair())).backward();
        sums.backward(leaf.grad(), new BoolOptional(), false, new TensorArrayRefOptional());

        Errors errors = Errors.of(exact, sums, leaf.grad(), of.curvature() * scale.pair());
        near(of + " sums", result.logProbs(), sums, errors.sum);
        // A loss moves with its two sums by at most d loss / d sum, and is rounded once.
        double[] expectedLosses = Values.of(losses);
        near(
                of + " losses",
                result.losses(),
                losses,
                2 * errors.sum * (errors.slope / scale.pair() + of.curvature() * errors.sum)
                        + U * Values.largest(expectedLosses));
        near(of + " gradient", result.gradient(), exact.grad(), errors.gradient);
        double meanLoss = Metric.LOSS.mean(Values.of(result.metrics()));
        assertThat(meanLoss)
                .as("the metric is the mean of the losses as they are rounded")
                .isCloseTo(
                        Arrays.stream(Values.of(result.losses())).sum() / PAIRS,
                        within(U * Values.largest(expectedLosses)));

        result.backward();
        Tensor dWeight = exact.grad().t().mm(layer.hidden.detach().to(ScalarType.Double));
        Tensor dHidden = exact.grad().mm(layer.weight.detach().to(ScalarType.Double));
        near(of + " d_weight", layer.weight.grad(), dWeight, errors.product(ROWS, layer.hidden));
        near(of + " d_hidden", layer.hidden.grad(), dHidden, errors.product(VOCABULARY, layer.weight));
    }

    /**
     * How far results may be from the exact ones of the same logits, each a bound over the batch.
     *
     * @param sum of a sum of log-probs
     * @param slope largest d loss / d sum, which is exact
     * @param gradient of an element of the gradient by logits
     * @param largest element of that gradient
     */
    private record Errors(double sum, double slope, double gradient, double largest) {

        /**
         * An exponential errs by (4 + 2 d) U for an argument of size d, which was rounded once: (4 + 3 d) U, and so does the sum of a row's; its
         * vocabulary terms add V U, the logarithm and the two roundings of lse and log-prob five of the largest size. A completion adds n of these
         * and rounds once. d loss / d sum then moves by the curvature times two sums, and is rounded twice on its way to the rows. The softmax
         * p = exp(x - lse) errs by lse's error and as an exponential does; one subtraction and one product follow.
         */
        static Errors of(Tensor logits, Tensor sums, Tensor dSums, double curvature) {
            double size = Values.largest(Values.of(logits)) + Math.log(VOCABULARY);
            double logProb = (4 + 3 * 2 * size + VOCABULARY + 5 * 2 * size) * U;
            double sum = 4 * logProb + U * Values.largest(Values.of(sums));
            double slope = Values.largest(Values.of(dSums));
            double ofSlope = 2 * curvature * sum + 2 * U * slope;
            double softmax = logProb + (4 + 3 * 2 * size) * U + 4 * U;
            return new Errors(sum, slope, ofSlope + slope * softmax, slope);
        }

        /** Of a product of n terms with exact factors: n errors of the gradient, and n roundings of n terms. */
        double product(int n, Tensor factors) {
            double factor = Values.largest(Values.of(factors));
            return n * factor * (gradient + n * U * largest);
        }
    }

    private static void near(String what, Tensor is, Tensor expected, double tolerance) {
        double[] a = Values.of(is);
        double[] b = Values.of(expected);
        assertThat(a).as(what).hasSameSizeAs(b);
        assertThat(Values.largest(b))
                .as(what + " is of a size that errors show in")
                .isGreaterThan(100 * tolerance);
        for (int i = 0; i < a.length; i++) {
            assertThat(a[i]).as(what + "[" + i + "]").isCloseTo(b[i], within(tolerance));
        }
    }

    @Test
    void maskedRowsAndRowsOfNoCompletionHaveAGradientOfZero() {
        Layer layer = layer();
        Tensor reference = Values.normal(random, 1, 2 * PAIRS);
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(layer.logits, TorchLoss.IPO.options())) {
            Tensor gradient = loss.compute(completions(layer.logits), reference, new Scale(1))
                    .gradient();
            for (int row : new int[] {9, 14, 15, 16}) {
                assertThat(Values.largest(Values.of(gradient.select(0, row))))
                        .as("row " + row)
                        .isZero();
            }
            assertThat(Values.largest(Values.of(gradient.select(0, 10)))).isGreaterThan(0);
        }
    }

    /** As TRL does: this call's rewards are in the mean that shifts its loss, and so are all calls before. */
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
        Layer layer = layer();
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(layer.logits, options)) {
            for (int call = 0; call < 3; call++) {
                layer = layer();
                Result result = loss.compute(completions(layer.logits), reference, new Scale(1));
                double[] logProbs = Values.of(result.logProbs());
                double[] of = Values.of(reference);
                double[] rewards = new double[2 * PAIRS];
                Arrays.setAll(rewards, s -> beta * (logProbs[s] - of[s]));
                sum += Arrays.stream(rewards).sum();
                count += rewards.length;
                for (int pair = 0; pair < PAIRS; pair++) {
                    double expected = softplus(-(rewards[2 * pair] - sum / count))
                            + softplus(rewards[2 * pair + 1] - sum / count);
                    // Double arithmetic on the very sums, rounded once.
                    assertThat(Values.of(result.losses())[pair]).isCloseTo(expected, within(1.001 * U * expected));
                }
            }
        }
    }

    private static double softplus(double x) {
        return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
    }

    /** A policy that is its own reference: ln 2 to the last bit, and rewards of exactly 0. */
    @Test
    void logProbsOfTheReferenceAreThoseOfThePolicy() {
        Layer layer = layer();
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(layer.logits, PreferenceOptions.of(LossType.SIGMOID))) {
            Tensor reference = loss.logProbs(completions(layer.logits.detach()));
            assertThat(reference.requires_grad()).isFalse();
            Result result = loss.compute(completions(layer.logits), reference, new Scale(1f / PAIRS));
            assertThat(Values.of(result.logProbs())).isEqualTo(Values.of(reference));
            assertThat(Values.of(result.losses())).containsOnly((float) Math.log(2));
            assertThat(Metric.MARGIN.mean(Values.of(result.metrics()))).isZero();
        }
    }

    @Test
    void theGradientIsWhereTheLogitsWere() {
        Layer layer = layer();
        Tensor reference = Values.normal(random, 1, 2 * PAIRS);
        long before = Values.address(layer.logits);
        double[] logits = Values.of(layer.logits);
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(layer.logits, TorchLoss.SIGMOID.options())) {
            Result own = loss.compute(completions(layer.logits), reference, new Scale(1));
            assertThat(Values.address(layer.logits)).isEqualTo(before);
            assertThat(Values.address(own.gradient())).isNotEqualTo(before);
            assertThat(Values.of(layer.logits)).isEqualTo(logits);

            Result inPlace = loss.computeInPlace(completions(layer.logits), reference, new Scale(1));
            assertThat(Values.address(layer.logits)).isEqualTo(before);
            assertThat(Values.address(inPlace.gradient())).isEqualTo(before);
            float[] raw = new float[ROWS * VOCABULARY];
            new FloatPointer(layer.logits.data_ptr()).get(raw);
            double[] expected = Values.of(own.gradient());
            for (int i = 0; i < raw.length; i++) {
                assertThat((double) raw[i]).as("element " + i).isEqualTo(expected[i]);
            }
        }
    }

    /** A vocabulary that is no multiple of four lives in wider rows; what pads them is neither read nor written. */
    @Test
    void narrowedLogitsOfPaddedRows() {
        int vocabulary = VOCABULARY - 1;
        int[] targets =
                Arrays.stream(TARGETS).map(t -> Math.min(t, vocabulary - 1)).toArray();
        Tensor padded = Values.normal(random, 3, ROWS, VOCABULARY);
        padded.narrow(1, vocabulary, 1).fill_(new Scalar(Double.NaN));
        padded.requires_grad_(true);
        Tensor logits = padded.narrow(1, 0, vocabulary);
        Tensor dense = logits.detach().to(ScalarType.Double);
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(logits, TorchLoss.SIMPO.options())) {
            Completions of = new Completions(logits, Values.ints(targets), Values.ints(OFFSETS));
            Result result = loss.compute(of, null, new Scale(1));
            Tensor sums = TorchLoss.sums(dense, targets, OFFSETS);
            double slope = Values.largest(Values.of(sums));
            near("sums", result.logProbs(), sums, Errors.of(dense, sums, sums, 0).sum + U * slope);
            result.backward();
        }
        double[] gradient = Values.of(padded.grad());
        for (int row = 0; row < ROWS; row++) {
            assertThat(gradient[row * VOCABULARY + vocabulary]).isZero();
        }
        assertThat(Values.largest(gradient)).isPositive();
    }

    @Test
    void autogradNoticesThatLogitsItNeedsAreGone() {
        Layer layer = layer();
        Tensor capped = layer.logits.tanh();
        Tensor reference = Values.normal(random, 1, 2 * PAIRS);
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(capped, TorchLoss.SIGMOID.options())) {
            Result result = loss.computeInPlace(completions(capped), reference, new Scale(1));
            assertThatThrownBy(result::backward).hasMessageContaining("modified by an inplace operation");
        }
    }

    @Test
    void refusesLogitsThatNoGradientCanGoTo() {
        Layer layer = layer();
        Tensor leaf = layer.logits.detach().requires_grad_(true);
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(leaf, TorchLoss.SIMPO.options())) {
            assertThatThrownBy(() -> loss.compute(completions(leaf.detach()), null, new Scale(1)))
                    .hasMessageStartingWith("logits does not require grad");
            assertThatThrownBy(() -> loss.computeInPlace(completions(leaf), null, new Scale(1)))
                    .hasMessageStartingWith("logits is a leaf");
        }
    }

    @Test
    void refusesOffsetsThatPointOutside() {
        refusesOffsets("offsets has 2 values, must have 2 pairs + 1", 0, 5);
        refusesOffsets("offsets has 1 values, must have 2 pairs + 1", 0);
        refusesOffsets("offsets[2] is 3, less than offsets[1] = 5", 0, 5, 3);
        refusesOffsets("offsets go from -1 to 4, must lie in [0, 17]", -1, 2, 4);
        refusesOffsets("offsets go from 0 to 18, must lie in [0, 17]", 0, 2, 18);
    }

    private void refusesOffsets(String message, int... offsets) {
        Layer layer = layer();
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(layer.logits, TorchLoss.SIMPO.options())) {
            Completions of = new Completions(layer.logits, Values.ints(TARGETS), Values.ints(offsets));
            assertThatThrownBy(() -> loss.compute(of, null, new Scale(1))).hasMessageStartingWith(message);
        }
    }

    /** What the loss does not read, and what it lacks, is the kernels' to name; the logits are still whole. */
    @Test
    void refusesWhatTheLossCannotUse() {
        Layer layer = layer();
        double[] logits = Values.of(layer.logits);
        Tensor reference = Values.normal(random, 1, 2 * PAIRS);
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(layer.logits, TorchLoss.SIMPO.options())) {
            assertThatThrownBy(() -> loss.computeInPlace(completions(layer.logits), reference, new Scale(1)))
                    .hasMessage("preference_loss: reference must be null: no term has a reference");
        }
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(layer.logits, TorchLoss.SIGMOID.options())) {
            Tensor wide = torch.zeros(2 * PAIRS, 1);
            assertThatThrownBy(() -> loss.computeInPlace(completions(layer.logits), wide, new Scale(1)))
                    .hasMessage("reference has sizes [6, 1], must have [6]");
        }
        assertThat(Values.of(layer.logits)).isEqualTo(logits);
    }

    private Layer layer() {
        Tensor hidden = Values.normal(random, 1, ROWS, WIDTH).requires_grad_(true);
        Tensor weight = Values.normal(random, 0.6, VOCABULARY, WIDTH).requires_grad_(true);
        return new Layer(hidden, weight, torch.linear(hidden, weight));
    }

    private static Completions completions(Tensor logits) {
        return new Completions(logits, Values.ints(TARGETS), Values.ints(OFFSETS));
    }
}
