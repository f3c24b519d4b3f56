package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.util.Map;
import org.dpo4j.data.source.BadRow;

/** Reads values of rows, and says what is wrong with others. */
public final class Values {
    private Values() {}

    /** The text under a key. */
    public static String text(ObjectNode row, String key) throws BadRow {
        JsonNode value = row.path(key);
        if (!value.isTextual()) {
            throw bad(key + " is " + describe(value) + "; give text");
        }
        checkCharacters(value, key);
        return value.textValue();
    }

    /** Throws if a text in the row holds half of a character of two UTF-16 units. Keys never do: JSON with such keys is refused. */
    public static void checkCharacters(ObjectNode row) throws BadRow {
        for (Map.Entry<String, JsonNode> column : row.properties()) {
            checkCharacters(column.getValue(), column.getKey());
        }
    }

    /** Throws if a text in the value holds half of a character of two UTF-16 units. */
    static void checkCharacters(JsonNode value, String name) throws BadRow {
        if (value.isTextual()) {
            checkCharacters(value.textValue(), name);
        } else if (value.isArray()) {
            for (int i = 0; i < value.size(); i++) {
                checkCharacters(value.get(i), name + "[" + i + "]");
            }
        } else {
            for (Map.Entry<String, JsonNode> entry : value.properties()) {
                checkCharacters(entry.getKey(), name);
                checkCharacters(entry.getValue(), name + "." + entry.getKey());
            }
        }
    }

    private static void checkCharacters(String text, String name) throws BadRow {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (Character.isHighSurrogate(c) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(c)) {
                String code = "\\u" + Integer.toHexString(c);
                throw new BadRow(
                        BadRow.Reason.MALFORMED,
                        name + " holds " + code + ", half of a character; write the whole character");
            }
        }
    }

    /** The token ids under a key. */
    public static int[] ids(ObjectNode row, String key) throws BadRow {
        JsonNode value = row.path(key);
        if (!value.isArray()) {
            throw bad(key + " is " + describe(value) + "; give a list of token ids");
        }
        int[] ids = new int[value.size()];
        for (int i = 0; i < ids.length; i++) {
            JsonNode id = value.get(i);
            if (!id.isIntegralNumber()) {
                throw bad(key + "[" + i + "] is " + describe(id) + "; give a list of token ids");
            }
            if (!id.canConvertToInt() || id.intValue() < 0) {
                throw new BadRow(
                        BadRow.Reason.OUTSIDE_VOCABULARY, key + "[" + i + "] is " + id + ", which is no token id");
            }
            ids[i] = id.intValue();
        }
        return ids;
    }

    /** A number, finite in 32 bits. {@code name} is what errors call it. */
    static float number(JsonNode value, String name) throws BadRow {
        if (!value.isNumber() || !Float.isFinite(value.floatValue())) {
            throw bad(name + " is " + describe(value) + "; give a number");
        }
        return value.floatValue();
    }

    /** The factor of the row's loss: {@code weight}, or 1. */
    static float weight(ObjectNode row) throws BadRow {
        if (!row.hasNonNull("weight")) {
            return 1;
        }
        float weight = number(row.get("weight"), "weight");
        if (weight < 0) {
            throw bad("weight is " + row.get("weight") + "; give 0 or more");
        }
        return weight;
    }

    /** Whether an answer is good: true or false, or 1 or 0. */
    static boolean label(ObjectNode row, String key) throws BadRow {
        JsonNode value = row.path(key);
        boolean isBit = value.isIntegralNumber() && (value.longValue() == 0 || value.longValue() == 1);
        if (!value.isBoolean() && !isBit) {
            throw bad(key + " is " + describe(value) + "; give true or false, or 1 or 0");
        }
        return isBit ? value.longValue() == 1 : value.booleanValue();
    }

    /** The reference's log-probs of a pair, which a row has both or none of. */
    static Example.ReferenceSums reference(ObjectNode row) throws BadRow {
        boolean hasChosen = row.hasNonNull("ref_chosen_logps");
        boolean hasRejected = row.hasNonNull("ref_rejected_logps");
        if (!hasChosen && !hasRejected) {
            return Example.ReferenceSums.NONE;
        }
        if (hasChosen != hasRejected) {
            throw bad("it has "
                    + (hasChosen
                            ? "ref_chosen_logps without ref_rejected_logps"
                            : "ref_rejected_logps" + " without ref_chosen_logps")
                    + "; give both or none");
        }
        return new Example.ReferenceSums(logProb(row, "ref_chosen_logps"), logProb(row, "ref_rejected_logps"));
    }

    private static float logProb(ObjectNode row, String key) throws BadRow {
        float value = number(row.get(key), key);
        if (value > 0) {
            throw bad(key + " is " + row.get(key) + "; give a sum of log-probs, which is never above 0");
        }
        return value;
    }

    /** A text as JSON writes it, in one line. */
    static String quoted(String text) {
        return TextNode.valueOf(text).toString();
    }

    static String describe(JsonNode value) {
        if (value.isMissingNode()) {
            return "missing";
        }
        if (value.isArray() || value.isObject()) {
            return value.isArray() ? "a list" : "an object";
        }
        if (!value.isTextual()) {
            return value.toString();
        }
        String text = value.textValue();
        return text.length() > 20 ? "text" : "the text \"" + text + "\"";
    }

    private static BadRow bad(String message) {
        return new BadRow(BadRow.Reason.BAD_VALUE, message);
    }
}
