package org.dpo4j.data;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** Text to token ids and back, by the {@code tokenizer.json} of a model directory. Reads local files only. */
public final class Tokenizer implements AutoCloseable {

    static {
        // The binding would fetch a CUDA build of the library on some machines, and report its use to its makers.
        System.setProperty("RUST_FLAVOR", "cpu");
        System.setProperty("ai.djl.offline", "true");
        System.setProperty("OPT_OUT_TRACKING", "true");
    }

    /** The binding would cut texts to 512 tokens, and obey what the file says of cutting and padding. */
    private static final Map<String, String> WHOLE_TEXTS = Map.of("truncation", "false", "padding", "false");

    private final HuggingFaceTokenizer tokenizer;
    private final SpecialTokens special;
    private final int size;
    private final int[] beginning;

    private Tokenizer(HuggingFaceTokenizer tokenizer, SpecialTokens special, int size) {
        this.tokenizer = tokenizer;
        this.special = special;
        this.size = size;
        this.beginning = beginning(tokenizer);
    }

    /**
     * The tokenizer of a model directory. Throws when there is none, or when it has ids beyond the model's {@code
     * vocabularySize}.
     */
    public static Tokenizer load(Path modelDirectory, int vocabularySize) {
        Path file = modelDirectory.resolve("tokenizer.json");
        if (!Files.exists(file)) {
            throw new Dpo4jException(file + " does not exist; add it, or give token ids instead of text");
        }
        TokenizerFile vocabulary = TokenizerFile.read(file);
        if (vocabulary.size() > vocabularySize) {
            throw new Dpo4jException(file + " has token ids up to " + (vocabulary.size() - 1) + ", " + vocabulary.size()
                    + " in all, but the model's vocabulary has " + vocabularySize
                    + "; use the tokenizer the model was trained with, or give the model a row for each token"
                    + " (resize_token_embeddings in transformers)");
        }
        SpecialTokens special = SpecialTokens.read(modelDirectory, vocabulary);
        try {
            return new Tokenizer(HuggingFaceTokenizer.newInstance(file, WHOLE_TEXTS), special, vocabulary.size());
        } catch (IOException | RuntimeException e) {
            throw new Dpo4jException(file + " is no tokenizer this library can load: " + e.getMessage(), e);
        }
    }

    /** As {@link #load}, or null when the directory has no {@code tokenizer.json}: rows of ids need none. */
    public static @Nullable Tokenizer find(Path modelDirectory, int vocabularySize) {
        return Files.exists(modelDirectory.resolve("tokenizer.json")) ? load(modelDirectory, vocabularySize) : null;
    }

    /**
     * What the file's post-processor puts before a text. What it puts behind is left to those who know where a text
     * ends.
     */
    private static int[] beginning(HuggingFaceTokenizer tokenizer) {
        int[] plain = encode(tokenizer, "a", false);
        int[] processed = encode(tokenizer, "a", true);
        for (int begin = 0; begin + plain.length <= processed.length; begin++) {
            if (Arrays.equals(plain, 0, plain.length, processed, begin, begin + plain.length)) {
                return Arrays.copyOf(processed, begin);
            }
        }
        throw new IllegalStateException("its post-processor changes the tokens of a text");
    }

    /** Token ids of the text alone. */
    public int[] encode(String text) {
        return encode(tokenizer, text, false);
    }

    /**
     * Token ids of a text that begins a sequence: the beginning token once, where this tokenizer adds one, then the
     * text.
     */
    public int[] encodeStart(String text) {
        int[] ids = encode(text);
        int mismatch = Arrays.mismatch(beginning, ids);
        if (mismatch < 0 || mismatch == beginning.length) {
            return ids; // adds none, or the text spells it out
        }
        int[] begun = Arrays.copyOf(beginning, beginning.length + ids.length);
        System.arraycopy(ids, 0, begun, beginning.length, ids.length);
        return begun;
    }

    private static int[] encode(HuggingFaceTokenizer tokenizer, String text, boolean specialTokens) {
        return Arrays.stream(tokenizer.encode(text, specialTokens, false).getIds())
                .mapToInt(Math::toIntExact)
                .toArray();
    }

    /** The text of token ids, special tokens left out. */
    public String decode(int[] ids) {
        return tokenizer.decode(Arrays.stream(ids).asLongStream().toArray(), true);
    }

    /** One more than its largest id. */
    public int size() {
        return size;
    }

    /** First token of a sequence, or null. */
    public @Nullable Integer bosTokenId() {
        return special.bos();
    }

    /** Token that ends a completion, or null. */
    public @Nullable Integer eosTokenId() {
        return special.eos();
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}
