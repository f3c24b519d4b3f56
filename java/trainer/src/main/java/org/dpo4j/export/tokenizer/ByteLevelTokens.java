package org.dpo4j.export.tokenizer;

import java.util.List;
import org.dpo4j.io.gguf.GgufMetadata;
import org.dpo4j.kernels.Dpo4jException;

/** A tokenizer that merges bytes, as GPT-2's: tokens, merges, and the name of the rules that split a text. */
record ByteLevelTokens(TokenizerJson tokenizer) {

    void put(GgufMetadata metadata, TokenList tokens) {
        for (String key : List.of("continuing_subword_prefix", "end_of_word_suffix")) {
            String value = tokenizer.model(key).asText("");
            if (!value.isEmpty() && !value.equals("null")) {
                throw new Dpo4jException(tokenizer.file() + ": " + key + " is \"" + value
                        + "\", which llama.cpp does not have; use a model with a byte-level tokenizer");
            }
        }
        metadata.putText("tokenizer.ggml.model", "gpt2");
        metadata.putText("tokenizer.ggml.pre", PreTokenizer.name(tokenizer));
        tokenizer.vocabulary().forEach((token, id) -> tokens.set(id, token, TokenType.NORMAL, 0));
        tokenizer.added().forEach(token -> tokens.set(token.id(), token.text(), token.type(), 0));
        tokens.put(metadata, false);
        metadata.putTexts(
                "tokenizer.ggml.merges",
                tokenizer.merges().stream().map(Merge::line).toList());
    }
}
