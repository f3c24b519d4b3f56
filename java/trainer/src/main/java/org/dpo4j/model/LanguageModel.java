package org.dpo4j.model;

import org.dpo4j.data.PackedBatch;

/**
 * Log-probs of completions, and their gradient: decoder, head and sums over one {@link Model}. Several may share a model; each has activations of
 * its own, which grow when a larger batch arrives and are freed by {@link #close}. Does not close the model.
 */
public final class LanguageModel implements AutoCloseable {

    LanguageModel() {}

    /** Keeps what {@link #backward} needs, and makes the model's gradients. */
    public static LanguageModel training(Model model) {
        throw new UnsupportedOperationException();
    }

    /** Forward only: one layer's activations in memory, whatever the depth. The same bits as {@link #training}. */
    public static LanguageModel evaluation(Model model) {
        throw new UnsupportedOperationException();
    }

    public Model model() {
        throw new UnsupportedOperationException();
    }

    /** Queues a forward pass; nothing is waited for. Throws, naming the row, when an id or a position is out of the model's range. */
    public LogProbs forward(PackedBatch batch) {
        throw new UnsupportedOperationException();
    }

    /** Queues the backward pass of the last forward: adds d loss / d weights to the model's gradients, from {@code dSums} f32[completions]. */
    public void backward(long dSums) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
