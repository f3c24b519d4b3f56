package org.dpo4j.data;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.dpo4j.io.FileFormat;
import org.dpo4j.io.JsonErrors;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;

/**
 * The content of a {@code tokenizer.json}, parsed as a stream, because some files hold half a million tokens.
 *
 * @param ids token to id, as the tokenizers library numbers them
 * @param size maximum id + 1
 * @param ends the ids that the post-processor adds around a text
 * @param hasPieces whether {@link TextPieces} encodes as the tokenizer does
 * @param json the file's text with {@code dropout}, {@code truncation} and {@code padding} set to null, so that they do
 *     not change ids
 */
record TokenizerFile(Map<String, Integer> ids, int size, TextEnds ends, boolean hasPieces, String json) {
    /** The tokens by id. Of several texts with one id, the first in the order of texts. */
    Map<Integer, String> tokens() {
        Map<Integer, String> tokens = new HashMap<>();
        ids.forEach((token, id) -> tokens.merge(id, token, (a, b) -> a.compareTo(b) < 0 ? a : b));
        return tokens;
    }

    static TokenizerFile read(Path file) {
        try {
            String json = Files.readString(file, StandardCharsets.UTF_8);
            if (json.isBlank()) {
                throw new Dpo4jException(file + " is empty; download it again");
            }
            return new Reader(json).read(file);
        } catch (JsonProcessingException e) {
            throw JsonFile.malformed(file, e);
        } catch (CharacterCodingException e) {
            throw notText(file, e);
        } catch (IOException e) {
            throw JsonFile.unreadable(file, e);
        }
    }

    private static Dpo4jException notText(Path file, CharacterCodingException e) {
        try {
            FileFormat other = FileFormat.find(file);
            return new Dpo4jException(
                    other == null ? file + " is not UTF-8 text; download it again" : other.refuseModelFile(file), e);
        } catch (IOException unreadable) {
            return JsonFile.unreadable(file, unreadable);
        }
    }

    private static int id(JsonParser json, String token) throws IOException {
        if (json.currentToken() != JsonToken.VALUE_NUMBER_INT
                || json.getNumberType() != JsonParser.NumberType.INT
                || json.getIntValue() < 0) {
            String quote = json.currentToken() == JsonToken.VALUE_STRING ? "\"" : "";
            throw new Dpo4jException("token \"" + token + "\" has the id " + quote + json.getText() + quote);
        }
        return json.getIntValue();
    }

    /** A range of characters of the file. */
    private record Range(int begin, int end) {}

    /** Required keys of {@code truncation} and {@code padding}: the tokenizers library refuses objects without them. */
    private static final List<String> TRUNCATION = List.of("max_length", "strategy", "stride");

    private static final List<String> PADDING = List.of("strategy", "direction", "pad_id", "pad_type_id", "pad_token");

    /** Flags of added tokens that look at or remove what is beside the token. */
    private static final Set<String> WIDE = Set.of("lstrip", "rstrip", "single_word");

    private static final JsonMapper TREES = new JsonMapper();

    /** One pass over the file. */
    private static final class Reader {
        private final String json;
        private final Map<String, Integer> vocabulary = new HashMap<>();
        private final List<String> added = new ArrayList<>();
        private final List<Range> nulls = new ArrayList<>();
        private TextEnds ends = TextEnds.NONE;
        private JsonNode normalizer = MissingNode.getInstance();
        private JsonNode preTokenizer = MissingNode.getInstance();
        private boolean hasWideAddedTokens;
        private boolean isBpe;

        Reader(String json) {
            this.json = json;
        }

        TokenizerFile read(Path file) throws IOException {
            try (JsonParser parser = new JsonFactory().createParser(json)) {
                parser.nextToken();
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String name = parser.currentName();
                    parser.nextToken();
                    switch (name) {
                        case "added_tokens" -> readAddedTokens(parser);
                        case "model" -> readModel(parser);
                        case "normalizer" -> normalizer = TREES.readTree(parser);
                        case "pre_tokenizer" -> preTokenizer = TREES.readTree(parser);
                        case "post_processor" -> ends = TextEnds.read(parser);
                        case "truncation" -> setNull(parser, name, TRUNCATION);
                        case "padding" -> setNull(parser, name, PADDING);
                        default -> parser.skipChildren();
                    }
                }
            } catch (Dpo4jException e) {
                throw new Dpo4jException(
                        file + ": " + e.getMessage() + "; a tokenizer.json of the tokenizers library is expected", e);
            }
            Map<String, Integer> ids = ids();
            if (ids.isEmpty()) {
                throw new Dpo4jException(file + " has no vocabulary; a Hugging Face tokenizer.json is expected");
            }
            int max = ids.values().stream().mapToInt(Integer::intValue).max().orElseThrow();
            boolean hasPieces = isBpe && !hasWideAddedTokens && TextPieces.isExact(normalizer, preTokenizer);
            return new TokenizerFile(ids, max + 1, ends, hasPieces, withoutNulls());
        }

        private static void expect(JsonParser parser, JsonToken token, String otherwise) {
            if (parser.currentToken() != token) {
                throw new Dpo4jException(otherwise);
            }
        }

        /** {@code [{"id": 0, "content": "<s>", ...}, ...]} */
        private void readAddedTokens(JsonParser parser) throws IOException {
            expect(parser, JsonToken.START_ARRAY, "added_tokens is not a list");
            while (parser.nextToken() != JsonToken.END_ARRAY) {
                expect(parser, JsonToken.START_OBJECT, "added_tokens has an element that is not an object");
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String name = parser.currentName();
                    parser.nextToken();
                    if (name.equals("content")) {
                        added.add(parser.getText());
                        hasWideAddedTokens |= TextPieces.isAcross(parser.getText());
                    } else {
                        hasWideAddedTokens |= WIDE.contains(name) && parser.currentToken() == JsonToken.VALUE_TRUE;
                        parser.skipChildren();
                    }
                }
            }
        }

        /** {@code {"vocab": {"a": 0, ...}, ...}}, or a list of {@code ["a", score]} in the order of ids (Unigram). */
        private void readModel(JsonParser parser) throws IOException {
            expect(parser, JsonToken.START_OBJECT, "model is not an object");
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                JsonToken value = parser.nextToken();
                if (name.equals("vocab") && value == JsonToken.START_OBJECT) {
                    while (parser.nextToken() == JsonToken.FIELD_NAME) {
                        String token = parser.currentName();
                        parser.nextToken();
                        vocabulary.put(token, id(parser, token));
                    }
                } else if (name.equals("vocab") && value == JsonToken.START_ARRAY) {
                    for (int id = 0; parser.nextToken() == JsonToken.START_ARRAY; id++) {
                        parser.nextToken();
                        vocabulary.put(Objects.requireNonNull(parser.getText()), id);
                        parser.nextToken();
                        parser.nextToken();
                    }
                } else if (name.equals("type")) {
                    isBpe = parser.getText().equals("BPE");
                } else if (name.equals("dropout")) {
                    setDropoutNull(parser);
                } else {
                    parser.skipChildren();
                }
            }
        }

        private void setDropoutNull(JsonParser parser) throws IOException {
            if (parser.currentToken() == JsonToken.VALUE_NULL) {
                return;
            }
            boolean isShare =
                    parser.currentToken().isNumeric() && parser.getDoubleValue() >= 0 && parser.getDoubleValue() <= 1;
            if (!isShare) {
                throw new Dpo4jException("dropout of its model is "
                        + (parser.currentToken().isNumeric()
                                ? parser.getText()
                                : JsonErrors.words(parser.currentToken()))
                        + " where null or a number from 0 to 1 is expected");
            }
            int begin = (int) parser.currentTokenLocation().getCharOffset();
            nulls.add(new Range(begin, begin + parser.getTextLength()));
        }

        /** Replaces an object by null. Throws if the value is not an object with these keys, as the library does. */
        private void setNull(JsonParser parser, String name, List<String> keys) throws IOException {
            if (parser.currentToken() == JsonToken.VALUE_NULL) {
                return;
            }
            expect(parser, JsonToken.START_OBJECT, name + " is neither an object nor null");
            int begin = (int) parser.currentTokenLocation().getCharOffset();
            Set<String> missing = new LinkedHashSet<>(keys);
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                missing.remove(parser.currentName());
                parser.nextToken();
                parser.skipChildren();
            }
            if (!missing.isEmpty()) {
                throw new Dpo4jException(name + " lacks " + String.join(", ", missing));
            }
            nulls.add(new Range(begin, (int) parser.currentLocation().getCharOffset()));
        }

        private String withoutNulls() {
            StringBuilder edited = new StringBuilder(json.length());
            int end = 0;
            for (Range range : nulls) {
                edited.append(json, end, range.begin).append("null");
                end = range.end;
            }
            return edited.append(json, end, json.length()).toString();
        }

        /**
         * The ids that the tokenizers library assigns, which may differ from those in {@code added_tokens}: an added
         * token that is in the model's vocabulary keeps that id, and any other gets the next free id.
         */
        private Map<String, Integer> ids() {
            Map<String, Integer> ids = new HashMap<>(vocabulary);
            int maxAdded = -1;
            for (String token : added) {
                if (!token.isEmpty()) {
                    int next = Math.max(maxAdded + 1, vocabulary.size());
                    maxAdded = Math.max(maxAdded, ids.computeIfAbsent(token, absent -> next));
                }
            }
            return ids;
        }
    }
}
