package org.dpo4j.data;

import java.nio.file.Path;
import org.dpo4j.data.row.RowOptions;
import org.jspecify.annotations.Nullable;

/**
 * A tokenizer small enough to check by hand: {@code <s>} is 0, {@code </s>} is 1, the letters a to f are 2 to 7, a space
 * is 8, and {@code ab} together is 9. So a prompt that ends in a, before a completion that begins with b, loses its last
 * token.
 */
public final class LetterTokenizer {
    static final int SIZE = 10;
    static final int BOS = 0;
    static final int EOS = 1;
    static final int A = 2;
    static final int B = 3;
    static final int C = 4;
    static final int D = 5;
    static final int SPACE = 8;
    static final int AB = 9;

    private static final String JSON = """
        {"version": "1.0",
             "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
         "padding": null, "normalizer": null, "pre_tokenizer": null, "decoder": {"type": "Fuse"},
         "added_tokens": [
           {"id": 0, "content": "<s>", "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true},
           {"id": 1, "content": "</s>", "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true}],
         "post_processor": %s,
         "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
           "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
           "vocab": {"<s>": 0, "</s>": 1, "a": 2, "b": 3, "c": 4, "d": 5, "e": 6, "f": 7, " ": 8, "ab": 9},
           "merges": ["a b"]}}
        """;

    /** {@code <s> $A </s>}: like some tokenizers it ends every text with EOS, which must not matter for completions. */
    private static final String TEMPLATE = """
        {"type": "TemplateProcessing",
         "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                    {"SpecialToken": {"id": "</s>", "type_id": 0}}],
         "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
         "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
                            "</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}}\
        """;

    private LetterTokenizer() {}

    /** Puts the files of the tokenizer into a directory. */
    public static Path write(Path directory, boolean addsBos) {
        TestData.write(directory, "tokenizer.json", JSON.formatted(addsBos ? TEMPLATE : "null"));
        TestData.write(
                directory, "tokenizer_config.json", "{\"bos_token\": \"<s>\", \"eos_token\": {\"content\": \"</s>\"}}");
        return directory;
    }

    static Tokenizer load(Path directory, boolean addsBos) {
        return Tokenizer.load(write(directory, addsBos), SIZE);
    }

    /** Rows of any length, read with a tokenizer, or as ids without one. */
    static ReadOptions options(@Nullable Tokenizer tokenizer, OnBadRow onBadRow) {
        return new ReadOptions(tokenizer, SIZE, Truncation.NONE, onBadRow);
    }

    /** The same with options for rows that are too long, and for repeated rows. */
    static ReadOptions options(
            @Nullable Tokenizer tokenizer,
            Truncation truncation,
            RepeatOptions repeats,
            OnBadRow onBadRow,
            @Nullable RejectedRows rejected) {
        return new ReadOptions(tokenizer, SIZE, truncation, repeats, onBadRow, RowOptions.DEFAULT, rejected);
    }

    /** The pairs of a file, read with these files of the tokenizer. */
    static Dataset<PreferencePair> pairs(Path file, boolean addsBos, OnBadRow onBadRow) {
        try (Tokenizer tokenizer = load(file.resolveSibling(""), addsBos)) {
            return Dataset.pairs(file, options(tokenizer, onBadRow));
        }
    }

    /** The sequences of a file, likewise. */
    static Dataset<Sequence> sequences(Path file, boolean addsBos) {
        try (Tokenizer tokenizer = load(file.resolveSibling(""), addsBos)) {
            return Dataset.sequences(file, options(tokenizer, OnBadRow.STOP));
        }
    }
}
