package org.dpo4j.model;

import java.util.List;

/**
 * Samples continuations with a key cache. Many sequences run at once; samples of one prompt share its cache. Every sequence has a random generator of
 * its own, so its tokens do not depend on the others of the call.
 */
public final class Generator implements AutoCloseable {

    /**
     * What to continue.
     *
     * @param prompt token ids, at least one
     * @param samples continuations wanted
     * @param seed of this prompt's samples; sample {@code i} depends on the seed and {@code i} alone
     */
    public record Request(int[] prompt, int samples, long seed) {}

    /**
     * How to continue.
     *
     * @param maxNewTokens longest continuation; one also ends where the model's positions end
     * @param temperature divides the logits; 0 takes the largest logit, the lowest id among equals
     */
    public record Options(int maxNewTokens, double temperature) {}

    public Generator(Model model) {
        throw new UnsupportedOperationException();
    }

    /** The samples of each request, in order: new tokens only, the ending token included where one was drawn. */
    public List<List<int[]>> generate(List<Request> requests, Options options) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
