package org.dpo4j.pytorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.pytorch.Layer.OFFSETS;
import static org.dpo4j.pytorch.Layer.PAIRS;
import static org.dpo4j.pytorch.Layer.ROWS;
import static org.dpo4j.pytorch.Layer.TARGETS;
import static org.dpo4j.pytorch.Layer.VOCABULARY;

import java.util.Arrays;
import java.util.Random;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.dpo4j.kernels.PreferenceLoss.Scale;
import org.dpo4j.pytorch.TorchPreferenceLoss.Completions;
import org.dpo4j.pytorch.TorchPreferenceLoss.Result;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Gradients are written to the right memory, and bad arguments are refused before anything is written. */
class TensorMemoryTest {
    private final Random random = new Random(19);
    private PointerScope scope = new PointerScope();

    @BeforeEach
    void open() {
        scope = new PointerScope();
    }

    @AfterEach
    void close() {
        scope.close();
    }

    @Test
    void theGradientInPlaceReplacesTheLogits() {
        Layer layer = Layer.of(random, ScalarType.Float);
        Tensor reference = Values.normal(random, 1, 2 * PAIRS);
        long before = Values.address(layer.logits());
        double[] logits = Values.of(layer.logits());
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(layer.logits(), TorchLoss.SIGMOID.options())) {
            Result own = loss.compute(Layer.completions(layer.logits()), reference, new Scale(1));
            assertThat(Values.address(layer.logits())).isEqualTo(before);
            assertThat(Values.address(own.gradient())).isNotEqualTo(before);
            assertThat(Values.of(layer.logits())).isEqualTo(logits);

            Result inPlace = loss.computeInPlace(Layer.completions(layer.logits()), reference, new Scale(1));
            assertThat(Values.address(layer.logits())).isEqualTo(before);
            assertThat(Values.address(inPlace.gradient())).isEqualTo(before);
            float[] raw = new float[ROWS * VOCABULARY];
            new FloatPointer(layer.logits().data_ptr()).get(raw);
            double[] expected = Values.of(own.gradient());
            for (int i = 0; i < raw.length; i++) {
                assertThat((double) raw[i]).as("element " + i).isEqualTo(expected[i]);
            }
        }
    }

    /** A vocabulary that is not a multiple of four needs padded rows. The padding is neither read nor written. */
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
            Completions completions = new Completions(logits, Values.ints(targets), Values.ints(OFFSETS));
            Result result = loss.compute(completions, null, new Scale(1));
            Tensor sums = TorchLoss.sums(dense, targets, OFFSETS);
            Errors.near(
                    "sums",
                    result.logProbs(),
                    sums,
                    Errors.of(dense, sums, sums, 0).sum());
            result.backward();
        }
        double[] gradient = Values.of(padded.grad());
        for (int row = 0; row < ROWS; row++) {
            assertThat(gradient[row * VOCABULARY + vocabulary]).isZero();
        }
        assertThat(Values.maxMagnitude(gradient)).isPositive();
    }

    @Test
    void autogradRefusesIfItNeedsTheOverwrittenLogits() {
        Layer layer = Layer.of(random, ScalarType.Float);
        Tensor capped = layer.logits().tanh();
        Tensor reference = Values.normal(random, 1, 2 * PAIRS);
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(capped, TorchLoss.SIGMOID.options())) {
            Result result = loss.computeInPlace(Layer.completions(capped), reference, new Scale(1));
            assertThatThrownBy(result::backward).hasMessageContaining("modified by an inplace operation");
        }
    }

    @Test
    void refusesLogitsWithoutAGraphAndLeavesInPlace() {
        Layer layer = Layer.of(random, ScalarType.Float);
        Tensor leaf = layer.logits().detach().requires_grad_(true);
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(leaf, TorchLoss.SIMPO.options())) {
            assertThatThrownBy(() -> loss.compute(Layer.completions(leaf.detach()), null, new Scale(1)))
                    .hasMessageStartingWith("logits does not require grad");
            assertThatThrownBy(() -> loss.computeInPlace(Layer.completions(leaf), null, new Scale(1)))
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
        Layer layer = Layer.of(random, ScalarType.Float);
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(layer.logits(), TorchLoss.SIMPO.options())) {
            Completions completions = new Completions(layer.logits(), Values.ints(TARGETS), Values.ints(offsets));
            assertThatThrownBy(() -> loss.compute(completions, null, new Scale(1)))
                    .hasMessageStartingWith(message);
        }
    }

    /**
     * The kernels' error names an argument that the loss does not read, or that is missing. The logits are not changed.
     */
    @Test
    void refusesWhatTheLossCannotUse() {
        Layer layer = Layer.of(random, ScalarType.Float);
        double[] logits = Values.of(layer.logits());
        Tensor reference = Values.normal(random, 1, 2 * PAIRS);
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(layer.logits(), TorchLoss.SIMPO.options())) {
            assertThatThrownBy(() -> loss.computeInPlace(Layer.completions(layer.logits()), reference, new Scale(1)))
                    .hasMessage("preference_loss: reference must be null: no term has a reference");
        }
        try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(layer.logits(), TorchLoss.SIGMOID.options())) {
            Tensor wide = torch.zeros(2 * PAIRS, 1);
            assertThatThrownBy(() -> loss.computeInPlace(Layer.completions(layer.logits()), wide, new Scale(1)))
                    .hasMessage("reference has sizes [6, 1], must have [6]");
        }
        assertThat(Values.of(layer.logits())).isEqualTo(logits);
    }
}
