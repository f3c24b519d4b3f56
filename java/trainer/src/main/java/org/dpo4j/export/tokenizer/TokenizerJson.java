package org.dpo4j.export.tokenizer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;

/**
 * A {@code tokenizer.json} with all its parts. Vocabulary and merges are read as a stream, because some files hold half a
 * million of them.
 */
final class TokenizerJson {
    private static final JsonMapper TREES = new JsonMapper();

    private final Path file;
    private final Map<String, Integer> vocabulary = new LinkedHashMap<>();
    private final List<Merge> merges = new ArrayList<>();
    private final List<ObjectNode> added = new ArrayList<>();
    private final ObjectNode rest = JsonFile.object();
    private final ObjectNode model = JsonFile.object();

    private TokenizerJson(Path file) {
        this.file = file;
    }

    static TokenizerJson read(Path file) {
        TokenizerJson json = new TokenizerJson(file);
        try (JsonParser parser = new JsonFactory().createParser(file.toFile())) {
            json.read(parser);
        } catch (JsonProcessingException e) {
            throw JsonFile.malformed(file, e);
        } catch (IOException e) {
            throw JsonFile.unreadable(file, e);
        }
        return json;
    }

    private void read(JsonParser parser) throws IOException {
        expect(parser.nextToken() == JsonToken.START_OBJECT, "it is not an object");
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            parser.nextToken();
            if (name.equals("model") && parser.currentToken() == JsonToken.START_OBJECT) {
                readModel(parser);
            } else {
                rest.set(name, TREES.readTree(parser));
            }
        }
        for (JsonNode token : rest.path("added_tokens")) {
            expect(
                    token instanceof ObjectNode && token.path("content").isTextual(),
                    "added_tokens has " + token + "; an object with content is expected");
            added.add((ObjectNode) token);
        }
    }

    private void readModel(JsonParser parser) throws IOException {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            JsonToken value = parser.nextToken();
            if (name.equals("vocab") && value == JsonToken.START_OBJECT) {
                readVocabulary(parser);
            } else if (name.equals("merges") && value == JsonToken.START_ARRAY) {
                readMerges(parser);
            } else if (name.equals("vocab")) {
                parser.skipChildren(); // of a Unigram, which is refused by its type
            } else {
                model.set(name, TREES.readTree(parser));
            }
        }
    }

    private void readVocabulary(JsonParser parser) throws IOException {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String token = parser.currentName();
            expect(parser.nextToken() == JsonToken.VALUE_NUMBER_INT, "token \"" + token + "\" has no id");
            vocabulary.put(token, parser.getIntValue());
        }
    }

    /** {@code "a b"}, or {@code ["a", "b"]} since version 0.20 of the library. */
    private void readMerges(JsonParser parser) throws IOException {
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            JsonNode merge = TREES.readTree(parser);
            if (merge.isTextual()) {
                String[] parts = merge.textValue().split(" ", -1);
                expect(parts.length == 2, "merge " + merge + " does not have two parts");
                merges.add(new Merge(parts[0], parts[1]));
            } else {
                expect(
                        merge.size() == 2
                                && merge.get(0).isTextual()
                                && merge.get(1).isTextual(),
                        "merge " + merge + " does not have two parts");
                merges.add(new Merge(merge.get(0).textValue(), merge.get(1).textValue()));
            }
        }
    }

    private void expect(boolean holds, String otherwise) {
        if (!holds) {
            throw new Dpo4jException(
                    file + ": " + otherwise + "; a tokenizer.json of the tokenizers library is expected");
        }
    }

    Path file() {
        return file;
    }

    /** Token to id, without added tokens that only {@link #added} has. */
    Map<String, Integer> vocabulary() {
        return vocabulary;
    }

    /** The highest id. */
    int maxId() {
        int max = vocabulary.values().stream().mapToInt(Integer::intValue).max().orElse(-1);
        return Math.max(max, added().stream().mapToInt(AddedToken::id).max().orElse(-1));
    }

    /** In the order in which they are preferred. */
    List<Merge> merges() {
        return merges;
    }

    /** The value of a key of the file other than {@code model}; missing if there is none. */
    JsonNode part(String key) {
        JsonNode value = rest.path(key);
        return value.isNull() ? MissingNode.getInstance() : value;
    }

    /** The value of a key of {@code model}. */
    JsonNode model(String key) {
        return model.path(key);
    }

    /**
     * The added tokens with the ids that the tokenizers library gives them: that of the vocabulary, or the next free one.
     */
    List<AddedToken> added() {
        List<AddedToken> tokens = new ArrayList<>();
        Map<String, Integer> ids = new LinkedHashMap<>();
        int max = -1;
        for (ObjectNode token : added) {
            String content = token.path("content").textValue();
            if (content.isEmpty() || ids.containsKey(content)) {
                continue;
            }
            Integer known = vocabulary.get(content);
            int id = known != null ? known : Math.max(max + 1, vocabulary.size());
            max = Math.max(max, id);
            ids.put(content, id);
            tokens.add(new AddedToken(id, content, token.path("special").asBoolean(false)));
        }
        return tokens;
    }
}
