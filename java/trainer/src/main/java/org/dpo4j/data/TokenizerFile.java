package org.dpo4j.data;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;

/**
 * The ids that a {@code tokenizer.json} gives to its tokens; read as a stream, for some hold half a million.
 *
 * @param ids token to id
 * @param size one more than the largest id
 */
record TokenizerFile(Map<String, Integer> ids, int size) {

    static TokenizerFile read(Path file) {
        Map<String, Integer> ids = new HashMap<>();
        try (JsonParser json = new JsonFactory().createParser(file.toFile())) {
            json.nextToken();
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String name = json.currentName();
                json.nextToken();
                if (name.equals("added_tokens")) {
                    readAddedTokens(json, ids);
                } else if (name.equals("model")) {
                    readModel(json, ids);
                } else {
                    json.skipChildren();
                }
            }
        } catch (JsonProcessingException e) {
            throw JsonFile.malformed(file, e);
        } catch (IOException e) {
            throw JsonFile.unreadable(file, e);
        }
        if (ids.isEmpty()) {
            throw new Dpo4jException(file + " holds no vocabulary; a Hugging Face tokenizer.json is expected");
        }
        int largest = ids.values().stream().mapToInt(Integer::intValue).max().orElseThrow();
        return new TokenizerFile(ids, largest + 1);
    }

    /** {@code [{"id": 0, "content": "<s>", ...}, ...]} */
    private static void readAddedTokens(JsonParser json, Map<String, Integer> ids) throws IOException {
        while (json.nextToken() == JsonToken.START_OBJECT) {
            int id = -1;
            String content = "";
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String name = json.currentName();
                json.nextToken();
                if (name.equals("id")) {
                    id = json.getIntValue();
                } else if (name.equals("content")) {
                    content = json.getText();
                } else {
                    json.skipChildren();
                }
            }
            ids.put(content, id);
        }
    }

    /** {@code {"vocab": {"a": 0, ...}, ...}}, or a list of {@code ["a", score]} in the order of ids (Unigram). */
    private static void readModel(JsonParser json, Map<String, Integer> ids) throws IOException {
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            String name = json.currentName();
            JsonToken value = json.nextToken();
            if (name.equals("vocab") && value == JsonToken.START_OBJECT) {
                while (json.nextToken() == JsonToken.FIELD_NAME) {
                    String token = json.currentName();
                    json.nextToken();
                    ids.put(token, json.getIntValue());
                }
            } else if (name.equals("vocab") && value == JsonToken.START_ARRAY) {
                for (int id = 0; json.nextToken() == JsonToken.START_ARRAY; id++) {
                    json.nextToken();
                    ids.put(Objects.requireNonNull(json.getText()), id);
                    json.nextToken();
                    json.nextToken();
                }
            } else {
                json.skipChildren();
            }
        }
    }
}
