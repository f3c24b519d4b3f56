package org.dpo4j.conformance;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.SplittableRandom;
import org.dpo4j.conformance.LargeTensor.Image;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.MatmulShape;
import org.dpo4j.kernels.MatmulShape.Strides;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Logits;
import org.dpo4j.kernels.TokenLogProb.LogitsGradient;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.head.LmHeadExponentials;
import org.dpo4j.kernels.head.LmHeadExponentials.Exponentials;
import org.dpo4j.kernels.head.LmHeadForward.Head;
import org.dpo4j.kernels.head.LmHeadForward.HiddenRows;
import org.dpo4j.kernels.internal.CudaSettings;
import org.junit.jupiter.api.Tag;

/**
 * Compares the gradient that exponentials and factors stand for with that of token_logprob on fp32 logits, in every
 * element, at the size of a real head on a GPU and at a small one on the emulated device. Then repeats the call and
 * compares bits.
 */
class LmHeadExponentialsOnHopperTest {
    private static final int CHUNK = 512;

    /** Each of the two gradients is rounded to bf16 once, and its fp32 arithmetic has an error below 2^-15. */
    private static final double ROUNDINGS = 2 * (0x1p-8 + 0x1p-15);

    /** The relative difference of probabilities: twice the difference that {@link LmHeadOnHopperTest} allows for lse. */
    private static final double NATS = 4e-4;

    private record Size(int rows, int vocabulary, int hidden) {
        int stride() {
            return (vocabulary + 7) / 8 * 8;
        }
    }

    private record Inputs(LargeTensor hidden, LargeTensor weight, LargeTensor targets, int[] target) {}

    @OnEachCudaDevice
    @Tag("device")
    void everyElementAtASmallSize(On on) {
        compare(on, new Size(300, 701, 72), 3);
    }

    @OnEachCudaDevice
    @Tag("device")
    @Tag("large")
    void everyElementAtARealSize(On on) {
        assumeTrue(on.name().equals("cuda"), "4096 rows of a vocabulary of 50257 take a GPU");
        compare(on, new Size(4096, 50_257, 1024), 20);
    }

    private static void compare(On on, Size size, int times) {
        double bound = 9 / Math.sqrt(size.hidden); // uniform hidden in (-1, 1): the standard deviation of a logit is 3
        try (Device hopper = TestDevices.open(on, new CudaSettings("", 0))) {
            String lacks = LmHeadExponentials.lacks(hopper, DType.BF16);
            assumeTrue(lacks.isEmpty(), lacks);
            int[] target =
                    new SplittableRandom(3).ints(size.rows, 0, size.vocabulary).toArray();
            target[1] = -1;
            try (LargeTensor hidden = LargeTensor.uniform(hopper, (long) size.rows * size.hidden, 1, 1);
                    LargeTensor weight = LargeTensor.uniform(hopper, (long) size.vocabulary * size.hidden, bound, 2);
                    LargeTensor targets = LargeTensor.output(hopper, DType.F32, size.rows)) {
                hopper.upload(targets.address(), target);
                compare(hopper, size, new Inputs(hidden, weight, targets, target), times);
            }
        }
    }

    private static void compare(Device device, Size size, Inputs inputs, int times) {
        try (LargeTensor exponentials = LargeTensor.output(device, DType.BF16, (long) size.rows * size.stride());
                LargeTensor factors = LargeTensor.output(device, DType.F32, size.rows)) {
            exponentials(device, size, inputs, exponentials, factors);
            Image first = exponentials.image();
            Image firstFactors = factors.image();
            inChunks(device, size, inputs, first, firstFactors);
            for (int i = 1; i < times; i++) {
                exponentials(device, size, inputs, exponentials, factors);
                exponentials.image().sameBitsAs(first, "exponentials, time " + i);
                factors.image().sameBitsAs(firstFactors, "factors, time " + i);
            }
        }
    }

    private static void exponentials(
            Device device, Size size, Inputs inputs, LargeTensor exponentials, LargeTensor factors) {
        long bytes = LmHeadExponentials.workspaceBytes(size.rows, size.vocabulary);
        exponentials.clear();
        try (LargeTensor workspace = LargeTensor.output(device, DType.F32, (bytes + 3) / 4);
                LargeTensor results = LargeTensor.output(device, DType.F32, 2L * size.rows)) {
            LmHeadExponentials.forward(
                    device,
                    new TokenResults(results.address(), results.address() + 4L * size.rows),
                    new Exponentials(exponentials.address(), size.stride(), factors.address()),
                    workspace.address(),
                    new HiddenRows(inputs.hidden.address(), size.hidden, inputs.targets.address(), size.rows),
                    Head.contiguous(inputs.weight.address(), size.vocabulary, size.hidden, DType.BF16));
            device.synchronize();
        }
    }

    /** Compares with the gradient of token_logprob, one chunk of rows after another. */
    private static void inChunks(Device device, Size size, Inputs inputs, Image exponentials, Image factors) {
        try (LargeTensor logits = LargeTensor.output(device, DType.F32, (long) CHUNK * size.stride());
                LargeTensor gradient = LargeTensor.output(device, DType.BF16, (long) CHUNK * size.stride());
                LargeTensor results = LargeTensor.output(device, DType.F32, 2L * CHUNK)) {
            for (int begin = 0; begin < size.rows; begin += CHUNK) {
                int count = Math.min(CHUNK, size.rows - begin);
                MatmulShape shape = MatmulShape.contiguous(count, size.vocabulary, size.hidden, DType.F32, DType.BF16)
                        .transposedB()
                        .withStrides(new Strides(size.stride(), size.hidden, size.hidden));
                long hidden = inputs.hidden.address() + 2L * begin * size.hidden;
                device.matmul(logits.address(), hidden, inputs.weight.address(), shape, false);
                TokenLogProb.forwardBackward(
                        device,
                        new LogitsGradient(gradient.address(), size.stride(), DType.BF16),
                        new TokenResults(results.address(), results.address() + 4L * CHUNK),
                        new Logits(logits.address(), size.vocabulary, size.stride(), DType.F32),
                        inputs.targets.address() + 4L * begin,
                        TokenLogProb.UNIT_GRADIENT,
                        count);
                Image expected = gradient.image();
                for (int row = 0; row < count; row++) {
                    near(
                            size,
                            begin + row,
                            inputs.target[begin + row],
                            row * size.stride(),
                            expected,
                            exponentials,
                            factors);
                }
            }
        }
    }

    private static void near(
            Size size, int row, int target, int at, Image gradient, Image exponentials, Image factors) {
        double factor = factors.get(row);
        for (int j = 0; j < size.vocabulary; j++) {
            double expected = gradient.get(at + j);
            double actual = factor * exponentials.get(row * size.stride() + j);
            double p = Math.abs(expected - (j == target ? 1 : 0));
            double allowed = ROUNDINGS * Math.abs(expected) + NATS * p + Float.MIN_NORMAL;
            if (!(Math.abs(actual - expected) <= allowed)) {
                throw new AssertionError("row %d, column %d: %s from exponentials, %s from logits, allowed %.1e apart"
                        .formatted(row, j, actual, expected, allowed));
            }
        }
    }
}
