package org.dpo4j.data;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Text to token ids and back, by the {@code tokenizer.json} of a model directory. Reads local files only. */
public final class Tokenizer implements AutoCloseable {

    private Tokenizer() {}

    /** The tokenizer of a model directory. Throws when there is none, or when it has ids beyond the model's {@code vocabularySize}. */
    public static Tokenizer load(Path modelDirectory, int vocabularySize) {
        throw new UnsupportedOperationException();
    }

    /** As {@link #load}, or null when the directory has no {@code tokenizer.json}: rows of ids need none. */
    public static @Nullable Tokenizer find(Path modelDirectory, int vocabularySize) {
        throw new UnsupportedOperationException();
    }

    /** Token ids of the text alone. */
    public int[] encode(String text) {
        throw new UnsupportedOperationException();
    }

    /** Token ids of a text that begins a sequence: the beginning token once, where this tokenizer adds one, then the text. */
    public int[] encodeStart(String text) {
        throw new UnsupportedOperationException();
    }

    /** The text of token ids, special tokens left out. */
    public String decode(int[] ids) {
        throw new UnsupportedOperationException();
    }

    /** First token of a sequence, or null. */
    public @Nullable Integer bosTokenId() {
        throw new UnsupportedOperationException();
    }

    /** Token that ends a completion, or null. */
    public @Nullable Integer eosTokenId() {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
