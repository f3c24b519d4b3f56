package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.dpo4j.data.source.BadRow;

/** Reads values of rows, and says what is wrong with others. */
public final class Values {
    private Values() {}

    /** The text under a key. */
    public static String text(ObjectNode row, String key) throws BadRow {
        JsonNode value = row.path(key);
        if (!value.isTextual()) {
            throw new BadRow(BadRow.Reason.UNKNOWN_FORMAT, key + " is " + describe(value) + "; give text");
        }
        String text = value.textValue();
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (Character.isHighSurrogate(c) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(c)) {
                String code = "\\u" + Integer.toHexString(c);
                throw new BadRow(
                        BadRow.Reason.MALFORMED,
                        key + " holds " + code + ", half of a character; write the whole character");
            }
        }
        return text;
    }

    /** The token ids under a key. */
    public static int[] ids(ObjectNode row, String key) throws BadRow {
        JsonNode value = row.path(key);
        if (!value.isArray()) {
            throw new BadRow(
                    BadRow.Reason.UNKNOWN_FORMAT, key + " is " + describe(value) + "; give a list of token ids");
        }
        int[] ids = new int[value.size()];
        for (int i = 0; i < ids.length; i++) {
            JsonNode id = value.get(i);
            if (!id.isIntegralNumber()) {
                throw new BadRow(
                        BadRow.Reason.UNKNOWN_FORMAT, key + "[" + i + "] is " + id + "; give a list of token ids");
            }
            if (!id.canConvertToInt() || id.intValue() < 0) {
                throw new BadRow(
                        BadRow.Reason.OUTSIDE_VOCABULARY, key + "[" + i + "] is " + id + ", which is no token id");
            }
            ids[i] = id.intValue();
        }
        return ids;
    }

    private static String describe(JsonNode value) {
        if (value.isMissingNode()) {
            return "missing";
        }
        if (value.isArray() || value.isObject()) {
            return value.isArray() ? "a list" : "an object";
        }
        return value.isTextual() ? "text" : value.toString();
    }
}
