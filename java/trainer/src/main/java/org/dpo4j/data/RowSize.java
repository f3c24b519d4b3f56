package org.dpo4j.data;

import com.fasterxml.jackson.databind.JsonNode;

/** How much memory a row as read occupies. */
final class RowSize {
    private static final int NODE_BYTES = 32;

    private RowSize() {}

    /** About the number of bytes of a value with all that it contains. */
    static long find(JsonNode value) {
        long size = NODE_BYTES + (value.isTextual() ? value.textValue().length() : 0);
        for (JsonNode child : value) {
            size += find(child);
        }
        return size;
    }
}
