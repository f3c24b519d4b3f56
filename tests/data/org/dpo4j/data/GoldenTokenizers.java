package org.dpo4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Objects;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** The small tokenizers of {@code golden/tokenizer_ids.json}. */
final class GoldenTokenizers {
    private static final JsonNode GOLDEN = read("tokenizer_ids.json");

    private GoldenTokenizers() {}

    static JsonNode read(String name) {
        try (InputStream json = GoldenTokenizers.class.getResourceAsStream("/golden/" + name)) {
            return new ObjectMapper().readTree(Objects.requireNonNull(json));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static JsonNode texts() {
        return GOLDEN.get("texts");
    }

    static Stream<String> names() {
        return tokenizers().map(tokenizer -> tokenizer.get("name").textValue());
    }

    static JsonNode get(String name) {
        return tokenizers()
                .filter(tokenizer -> tokenizer.get("name").textValue().equals(name))
                .findFirst()
                .orElseThrow();
    }

    private static Stream<JsonNode> tokenizers() {
        return StreamSupport.stream(GOLDEN.get("tokenizers").spliterator(), false);
    }

    /** A {@code tokenizer.json}: "@n" in {@code file} stands for a table that several share. */
    static String json(String name) {
        String json = get(name).get("file").toString();
        for (int table = 0; table < GOLDEN.get("tables").size(); table++) {
            json = json.replace(
                    "\"@" + table + "\"", GOLDEN.get("tables").get(table).toString());
        }
        return json;
    }

    /** Puts the tokenizer's files into a directory. */
    static Tokenizer load(Path directory, String name, String eos) {
        TestData.write(directory, "tokenizer.json", json(name));
        TestData.write(directory, "tokenizer_config.json", "{\"eos_token\": \"" + eos + "\"}");
        return Tokenizer.load(directory, get(name).get("size").intValue());
    }
}
