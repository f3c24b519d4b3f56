package org.dpo4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The ids of BOS and EOS. Each is looked up, in this order, as a token in {@code tokenizer_config.json} and {@code
 * special_tokens_map.json}, then as an id in {@code config.json} and {@code generation_config.json}. Of a list of ids
 * the first is used.
 */
record SpecialTokens(@Nullable Integer bos, @Nullable Integer eos) {
    private static final List<String> FILES_WITH_TOKENS = List.of("tokenizer_config.json", "special_tokens_map.json");
    private static final List<String> FILES_WITH_IDS = List.of("config.json", "generation_config.json");

    static SpecialTokens read(Path directory, TokenizerFile tokenizer, int vocabularySize) {
        return new SpecialTokens(
                id(directory, tokenizer, vocabularySize, "bos_token"),
                id(directory, tokenizer, vocabularySize, "eos_token"));
    }

    private static @Nullable Integer id(Path directory, TokenizerFile tokenizer, int vocabularySize, String key) {
        for (String name : FILES_WITH_TOKENS) {
            Path file = directory.resolve(name);
            String text = text(file, key, json(file).path(key));
            if (text.isEmpty()) {
                continue;
            }
            Integer id = tokenizer.ids().get(text);
            if (id == null) {
                throw new Dpo4jException(file + ": " + key + " is \"" + text
                        + "\", which tokenizer.json does not know; use the two files of one model");
            }
            return id;
        }
        for (String name : FILES_WITH_IDS) {
            Integer id = first(directory.resolve(name), key + "_id", vocabularySize);
            if (id != null) {
                return id;
            }
        }
        return null;
    }

    /** The text of a token, given as text or as an object with {@code content}; empty if there is none. */
    private static String text(Path file, String key, JsonNode token) {
        JsonNode text = token.isObject() ? token.path("content") : token;
        if (token.isMissingNode() || token.isNull()) {
            return "";
        }
        if (!text.isTextual()) {
            throw new Dpo4jException(
                    file + ": " + key + " is " + token + "; give the token as text, or as an object with content");
        }
        return text.textValue();
    }

    /** The id under a key, or the first of a list of ids; null if there is none. */
    private static @Nullable Integer first(Path file, String key, int vocabularySize) {
        JsonNode value = json(file).path(key);
        if (value.isMissingNode() || value.isNull()) {
            return null;
        }
        for (JsonNode id : value.isArray() ? value : List.of(value)) {
            if (!id.isIntegralNumber()) {
                throw new Dpo4jException(file + ": " + key + " is " + value + "; give a token id or a list of them");
            }
            if (!id.canConvertToInt() || id.intValue() < 0 || id.intValue() >= vocabularySize) {
                throw new Dpo4jException(file + ": " + key + " is " + value + ", but the model's vocabulary has "
                        + vocabularySize + " tokens, 0 to " + (vocabularySize - 1)
                        + "; use the file of the model that the weights belong to");
            }
        }
        JsonNode first = value.isArray() ? value.path(0) : value;
        return first.isMissingNode() ? null : first.intValue();
    }

    private static JsonNode json(Path file) {
        return Files.exists(file) ? JsonFile.read(file) : MissingNode.getInstance();
    }
}
