package org.dpo4j.export.tokenizer;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.io.gguf.GgufMetadata;

/** The tokens of a model in the order of their ids. Ids without a token have a text such as {@code [PAD7]}, which is never read. */
final class TokenList {
    /** The score of ids without a token, as in llama.cpp's files. */
    private static final float UNUSED = -10_000;

    private final String[] texts;
    private final int[] types;
    private final float[] scores;

    /** @param size rows of the embedding */
    TokenList(int size) {
        texts = IntStream.range(0, size).mapToObj(id -> "[PAD" + id + "]").toArray(String[]::new);
        types = new int[size];
        Arrays.fill(types, TokenType.UNUSED.number());
        scores = new float[size];
        Arrays.fill(scores, UNUSED);
    }

    int size() {
        return texts.length;
    }

    void set(int id, String text, TokenType type, float score) {
        texts[id] = text;
        types[id] = type.number();
        scores[id] = score;
    }

    /** Puts tokens and types, and scores if the tokenizer has them. */
    void put(GgufMetadata metadata, boolean hasScores) {
        metadata.putTexts("tokenizer.ggml.tokens", List.of(texts));
        if (hasScores) {
            metadata.putNumbers("tokenizer.ggml.scores", scores);
        }
        metadata.putIntegers("tokenizer.ggml.token_type", types);
    }
}
