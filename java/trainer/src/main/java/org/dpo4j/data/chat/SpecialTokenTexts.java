package org.dpo4j.data.chat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** The special tokens that templates see: bos_token and its like, and those that a model names itself. */
final class SpecialTokenTexts {
    private static final List<String> STANDARD =
            List.of("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token");

    private SpecialTokenTexts() {}

    /**
     * Texts by name. As in transformers, {@code special_tokens_map.json} counts only if {@code tokenizer_config.json} has
     * no added_tokens_decoder, and then it replaces what that file says.
     */
    static Map<String, String> read(Path directory, ObjectNode config) {
        Map<String, String> texts = new LinkedHashMap<>();
        add(config, directory.resolve("tokenizer_config.json"), texts);
        Path legacy = directory.resolve("special_tokens_map.json");
        if (!config.has("added_tokens_decoder") && Files.exists(legacy)) {
            add(JsonFile.read(legacy), legacy, texts);
        }
        return texts;
    }

    private static void add(ObjectNode json, Path file, Map<String, String> texts) {
        json.fields().forEachRemaining(field -> {
            String name = field.getKey();
            if (name.equals("extra_special_tokens") && field.getValue() instanceof ObjectNode named) {
                named.fields().forEachRemaining(token -> put(token.getKey(), token.getValue(), file, texts));
            } else if (STANDARD.contains(name)) {
                put(name, field.getValue(), file, texts);
            } else if (name.endsWith("_token") && text(field.getValue()) != null) {
                put(name, field.getValue(), file, texts);
            }
        });
    }

    private static @Nullable String text(JsonNode token) {
        JsonNode text = token.isObject() ? token.path("content") : token;
        return text.isTextual() ? text.textValue() : null;
    }

    private static void put(String name, JsonNode token, Path file, Map<String, String> texts) {
        String text = text(token);
        if (text != null) {
            texts.put(name, text);
        } else if (token.isNull()) {
            texts.remove(name);
        } else {
            throw new Dpo4jException(file + ": " + name + " must be a text, or an object whose content is its text");
        }
    }
}
