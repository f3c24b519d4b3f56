package org.dpo4j.pytorch;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceLoss.Scale;
import org.dpo4j.kernels.PreferenceOptions;
import org.dpo4j.pytorch.TorchPreferenceLoss.Completions;
import org.junit.jupiter.api.Test;

/** With one {@code PointerScope} per step, no memory of a step remains. */
class MemoryTest {
    private static final int ROWS = 64;
    private static final int VOCABULARY = 4096;
    private static final int STEPS = 300;

    @Test
    void aStepLeaksNothing() throws IOException {
        Random random = new Random(3);
        try (PointerScope all = new PointerScope()) {
            Tensor hidden = Values.normal(random, 1, ROWS, 8);
            Tensor weight = Values.normal(random, 1, VOCABULARY, 8).requires_grad_(true);
            Tensor targets = Values.ints(random.ints(ROWS, -1, VOCABULARY).toArray());
            Tensor offsets = Values.ints(0, 16, 30, 50, ROWS);
            PreferenceOptions options = PreferenceOptions.forLoss(LossType.SIGMOID);
            try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(hidden, options)) {
                long left = 0;
                long resident = 0;
                for (int step = 0; step < STEPS; step++) {
                    long before = Pointer.totalCount();
                    step(loss, hidden, weight, targets, offsets, step % 2 == 0);
                    if (step == STEPS / 3) {
                        resident = resident();
                    }
                    // The garbage collector may free other objects meanwhile, so the difference may be negative. The
                    // first two steps create objects that stay.
                    left += step < 2 ? 0 : Math.max(0, Pointer.totalCount() - before);
                }
                assertThat(left).as("native objects left by steps").isZero();
                // A leak of one tensor of the logits' size (1 MiB) per step would be 200 MiB. The allocator may keep a
                // few.
                assertThat(resident() - resident).as("bytes of growth").isLessThan(32 << 20);
            }
        }
    }

    private static void step(
            TorchPreferenceLoss loss, Tensor hidden, Tensor weight, Tensor targets, Tensor offsets, boolean inPlace) {
        try (PointerScope step = new PointerScope()) {
            Tensor logits = torch.linear(hidden, weight);
            Completions completions = new Completions(logits, targets, offsets);
            Tensor reference = loss.logProbs(completions);
            Scale scale = new Scale(0.5f);
            (inPlace ? loss.computeInPlace(completions, reference, scale) : loss.compute(completions, reference, scale))
                    .backward();
        }
    }

    private static long resident() throws IOException {
        String pages = Files.readString(Path.of("/proc/self/statm")).split(" ", -1)[1];
        return Long.parseLong(pages) * 4096;
    }
}
