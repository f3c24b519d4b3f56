package org.dpo4j.data;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.TreeNode;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.kernels.Dpo4jException;

/**
 * The ids that the post-processor of a tokenizer adds around the ids of every text.
 *
 * @param beginning ids before the text: none, BOS, or several
 * @param ending ids after the text
 */
record TextEnds(int[] beginning, int[] ending) {
    static final TextEnds NONE = new TextEnds(new int[0], new int[0]);

    /** Placeholder for the ids of the text. */
    private static final int TEXT = -1;

    private static final JsonMapper MAPPER = new JsonMapper();

    /** Reads the value of {@code post_processor} at the parser's position. Throws if its type is unknown. */
    static TextEnds read(JsonParser json) throws IOException {
        if (json.currentToken() == JsonToken.VALUE_NULL) {
            return NONE;
        }
        TreeNode tree = MAPPER.readTree(json);
        int[] ids = apply((JsonNode) tree, List.of(new int[] {TEXT})).stream()
                .flatMapToInt(Arrays::stream)
                .toArray();
        int[] places =
                IntStream.range(0, ids.length).filter(i -> ids[i] == TEXT).toArray();
        if (places.length != 1) {
            throw new Dpo4jException("post_processor holds the text " + places.length + " times");
        }
        return new TextEnds(Arrays.copyOf(ids, places[0]), Arrays.copyOfRange(ids, places[0] + 1, ids.length));
    }

    /**
     * Applies a post-processor to the parts of a sequence. A template returns each of its pieces as a part, and the
     * next post-processor in a {@code Sequence} receives these parts.
     */
    private static List<int[]> apply(JsonNode processor, List<int[]> parts) {
        String type = type(processor);
        return switch (type) {
            case "TemplateProcessing" -> template(processor, parts);
            case "BertProcessing" -> surround(parts, id(processor, "cls"), id(processor, "sep"), false);
            case "RobertaProcessing" -> surround(parts, id(processor, "cls"), id(processor, "sep"), true);
            case "ByteLevel" -> parts; // changes only offsets
            case "Sequence" -> {
                List<int[]> result = parts;
                for (JsonNode next : processor.path("processors")) {
                    result = apply(next, result);
                }
                yield result;
            }
            default -> throw new Dpo4jException("post_processor of type \"" + type + "\" is not known");
        };
    }

    /** The type, or for old files without one, the type that the library deduces from the fields. */
    private static String type(JsonNode processor) {
        if (processor.hasNonNull("type")) {
            return processor.get("type").asText();
        }
        if (processor.has("single")) {
            return "TemplateProcessing";
        }
        if (processor.has("cls")) {
            return processor.has("trim_offsets") ? "RobertaProcessing" : "BertProcessing";
        }
        return processor.has("processors") ? "Sequence" : "";
    }

    /** {@code "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]}; {@code pair} for two parts. */
    private static List<int[]> template(JsonNode processor, List<int[]> parts) {
        if (parts.isEmpty() || parts.size() > 2) {
            throw new Dpo4jException("post_processor applies a template to " + parts.size() + " parts");
        }
        List<int[]> result = new ArrayList<>();
        for (JsonNode piece : processor.path(parts.size() == 1 ? "single" : "pair")) {
            if (piece.has("SpecialToken")) {
                result.add(
                        special(processor, piece.get("SpecialToken").path("id").asText()));
            } else {
                int part = piece.path("Sequence").path("id").asText().equals("A") ? 0 : 1;
                if (part >= parts.size()) {
                    throw new Dpo4jException("post_processor names a second text in its template for one text");
                }
                result.add(parts.get(part));
            }
        }
        return result;
    }

    private static int[] special(JsonNode processor, String name) {
        JsonNode ids = processor.path("special_tokens").path(name).path("ids");
        if (!ids.isArray()) {
            throw new Dpo4jException("post_processor names \"" + name + "\", which its special_tokens do not have");
        }
        return IntStream.range(0, ids.size())
                .map(i -> checked(name, ids.get(i)))
                .toArray();
    }

    /** {@code "cls": ["<s>", 0]} */
    private static int id(JsonNode processor, String key) {
        return checked(key, processor.path(key).path(1));
    }

    private static int checked(String name, JsonNode id) {
        if (!id.isIntegralNumber() || !id.canConvertToInt() || id.intValue() < 0) {
            throw new Dpo4jException("post_processor gives \"" + name + "\" the id " + id);
        }
        return id.intValue();
    }

    private static List<int[]> surround(List<int[]> parts, int cls, int sep, boolean hasTwoSeparators) {
        List<int[]> result = new ArrayList<>();
        for (int[] part : parts) {
            boolean isFirst = result.isEmpty();
            IntStream begin = isFirst ? IntStream.of(cls) : hasTwoSeparators ? IntStream.of(sep) : IntStream.empty();
            result.add(IntStream.concat(begin, IntStream.concat(Arrays.stream(part), IntStream.of(sep)))
                    .toArray());
        }
        return result;
    }

    /** Maximum added id + 1. */
    int size() {
        return IntStream.concat(Arrays.stream(beginning), Arrays.stream(ending))
                        .max()
                        .orElse(-1)
                + 1;
    }
}
