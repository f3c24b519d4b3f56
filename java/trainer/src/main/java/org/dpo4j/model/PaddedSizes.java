package org.dpo4j.model;

import org.dpo4j.model.family.Architecture;

/**
 * Sizes of the decoder in memory. Kernels need rows, and heads in a row, that start at multiples of 16 bytes. So hidden
 * size, head width and inner size are rounded up to multiples of 8, which is enough for every dtype. All weights in the
 * padding are 0. Hence all activations there are 0, and so are all gradients; then the optimizer leaves the weights at
 * 0. Shapes in the comments of blocks have these sizes.
 *
 * @param hiddenSize width of the hidden states
 * @param heads number of query heads
 * @param keyHeads number of key heads, and of value heads
 * @param headWidth width of a head
 * @param innerSize outputs of gate, and of up
 */
record PaddedSizes(int hiddenSize, int heads, int keyHeads, int headWidth, int innerSize) {
    private static final int MULTIPLE = 8;

    PaddedSizes(Architecture architecture) {
        this(
                padded(architecture.hiddenSize()),
                architecture.attention().heads(),
                architecture.attention().keyHeads(),
                padded(architecture.attention().headDim()),
                padded(architecture.mlp().innerSize()));
    }

    private static int padded(int size) {
        return size + MULTIPLE - 1 & -MULTIPLE;
    }

    /** Elements per row of queries, and of attention's output. */
    int queryWidth() {
        return heads * headWidth;
    }

    /** Elements per row of keys, and of values. */
    int keyWidth() {
        return keyHeads * headWidth;
    }

    /** Elements per row of queries, keys and values together. */
    int qkvWidth() {
        return queryWidth() + 2 * keyWidth();
    }
}
