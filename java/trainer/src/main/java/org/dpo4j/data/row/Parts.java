package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.dpo4j.data.source.BadRow;

/** Reads prompts and answers that may be text or messages. */
final class Parts {
    private Parts() {}

    /** Text, or messages with role and content; one message is a list of one. */
    static JsonNode read(ObjectNode row, String key) throws BadRow {
        return read(row.path(key), key);
    }

    /** As {@link #read(ObjectNode, String)}, of a value that errors call {@code name}. */
    static JsonNode read(JsonNode value, String name) throws BadRow {
        if (value.isTextual()) {
            Values.checkCharacters(value, name);
            return value;
        }
        if (value.isObject() || value.path(0).isObject() || (value.isArray() && value.isEmpty())) {
            return Messages.read(value, name);
        }
        throw new BadRow(
                BadRow.Reason.BAD_VALUE, name + " is " + Values.describe(value) + "; give text, or a list of messages");
    }
}
