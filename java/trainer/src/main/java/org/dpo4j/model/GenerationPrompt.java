package org.dpo4j.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A prompt whose continuations are generated. Its keys are in the cache from {@code cacheBegin} on. */
final class GenerationPrompt {
    final int number;
    final int[] ids;
    final long seed;
    final int cacheBegin;
    /** Maximum tokens of a sample. */
    final int limit;

    final List<Sample> samples = new ArrayList<>();
    int ended;

    GenerationPrompt(int number, int[] ids, long seed, int cacheBegin, int limit) {
        this.number = number;
        this.ids = ids;
        this.seed = seed;
        this.cacheBegin = cacheBegin;
        this.limit = limit;
    }

    /** A continuation. The keys of its tokens are in the cache from {@code cacheBegin} on. */
    static final class Sample {
        final GenerationPrompt prompt;
        final int number;
        final int slot;
        final int cacheBegin;
        final int[] tokens;
        int count;
        boolean isEnded;

        Sample(GenerationPrompt prompt, int number, int slot, int cacheBegin) {
            this.prompt = prompt;
            this.number = number;
            this.slot = slot;
            this.cacheBegin = cacheBegin;
            this.tokens = new int[prompt.limit];
        }

        /** Tokens of the prompt and of the continuation so far. */
        int length() {
            return prompt.length() + count;
        }
    }

    int length() {
        return ids.length;
    }

    /** The new tokens of each sample. */
    List<int[]> texts() {
        return samples.stream()
                .map(sample -> Arrays.copyOf(sample.tokens, sample.count))
                .toList();
    }
}
