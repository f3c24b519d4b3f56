package org.dpo4j.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The tokens that begin and end a text. {@code tokenizer_config.json} names them; where it does not, {@code
 * special_tokens_map.json}; where neither does, {@code config.json} or {@code generation_config.json} gives their ids,
 * the first of several.
 */
record SpecialTokens(@Nullable Integer bos, @Nullable Integer eos) {
    private static final JsonMapper MAPPER = new JsonMapper();
    private static final List<String> NAMING = List.of("tokenizer_config.json", "special_tokens_map.json");
    private static final List<String> NUMBERING = List.of("config.json", "generation_config.json");

    static SpecialTokens read(Path directory, TokenizerFile tokenizer) {
        return new SpecialTokens(id(directory, tokenizer, "bos_token"), id(directory, tokenizer, "eos_token"));
    }

    private static @Nullable Integer id(Path directory, TokenizerFile tokenizer, String key) {
        for (String name : NAMING) {
            JsonNode token = json(directory.resolve(name)).path(key);
            String text = token.path("content").asText(token.asText(""));
            if (token.isNull() || text.isEmpty()) {
                continue;
            }
            Integer id = tokenizer.ids().get(text);
            if (id == null) {
                throw new Dpo4jException(directory.resolve(name) + ": " + key + " is \"" + text
                        + "\", which tokenizer.json does not know; use the two files of one model");
            }
            return id;
        }
        for (String name : NUMBERING) {
            JsonNode id = json(directory.resolve(name)).path(key + "_id");
            id = id.isArray() ? id.path(0) : id;
            if (id.isInt()) {
                return id.intValue();
            }
        }
        return null;
    }

    private static JsonNode json(Path file) {
        if (!Files.exists(file)) {
            return MAPPER.missingNode();
        }
        try {
            return MAPPER.readTree(file.toFile());
        } catch (JsonProcessingException e) {
            throw JsonFile.malformed(file, e);
        } catch (IOException e) {
            throw JsonFile.unreadable(file, e);
        }
    }
}
