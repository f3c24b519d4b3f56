package org.dpo4j.pytorch;

import java.util.Random;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.dpo4j.pytorch.TorchPreferenceLoss.Completions;

/** A linear layer, {@code logits = hidden weight^T}, with an autograd graph to both; and three pairs of completions. */
record Layer(Tensor hidden, Tensor weight, Tensor logits) {
    static final int VOCABULARY = 48;
    static final int PAIRS = 3;

    /** Rows 14 to 16 belong to no completion. Completion 4 begins with a masked row. */
    static final int[] OFFSETS = {0, 2, 5, 6, 9, 12, 14};

    static final int[] TARGETS = {3, 0, 47, 7, 7, 11, 20, 21, 22, -1, 30, 31, 5, 6, 8, 9, 10};
    static final int ROWS = TARGETS.length;
    private static final int WIDTH = 24;

    /** Logits of a 16-bit type are rounded, as they are in a layer that computes in that type. */
    static Layer of(Random random, ScalarType type) {
        Tensor hidden = Values.normal(random, 1, ROWS, WIDTH).requires_grad_(true);
        Tensor weight = Values.normal(random, 0.6, VOCABULARY, WIDTH).requires_grad_(true);
        Tensor logits = torch.linear(hidden, weight);
        return new Layer(hidden, weight, type == ScalarType.Float ? logits : logits.to(type));
    }

    static Completions completions(Tensor logits) {
        return new Completions(logits, Values.ints(TARGETS), Values.ints(OFFSETS));
    }
}
