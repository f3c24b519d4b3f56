package org.dpo4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** What a row's keys say it is. Columns that no format has are not used, which {@link DatasetReport} says. */
enum RowFormat {
    PROMPT_PAIR(true, "prompt", "chosen", "rejected"),
    TRANSCRIPT_PAIR(true, "chosen", "rejected"),
    ID_PAIR(true, "prompt_ids", "chosen_ids", "rejected_ids"),
    TEXT(false, "text"),
    PROMPT_COMPLETION(false, "prompt", "completion"),
    IDS(false, "ids"),
    ID_COMPLETION(false, "prompt_ids", "completion_ids");

    private static final Set<String> CONVERSATIONAL = Set.of("messages", "conversations");

    private final boolean pair;
    private final List<String> keys;

    RowFormat(boolean pair, String... keys) {
        this.pair = pair;
        this.keys = List.of(keys);
    }

    /** The formats of pairs, of sequences, and both. */
    static final Set<RowFormat> PAIRS = formats(true);

    static final Set<RowFormat> SEQUENCES = formats(false);
    static final Set<RowFormat> ALL = EnumSet.allOf(RowFormat.class);

    private static Set<RowFormat> formats(boolean pair) {
        return Arrays.stream(values())
                .filter(format -> format.pair == pair)
                .collect(Collectors.toCollection(() -> EnumSet.noneOf(RowFormat.class)));
    }

    /**
     * The format whose keys a row has, all of them and none of another's. A column that is null is absent: tables that
     * were joined write null where a row lacks a column. Throws where it is none of those {@code wanted}.
     */
    static RowFormat find(ObjectNode row, Set<RowFormat> wanted) throws BadRow {
        Set<String> present = new LinkedHashSet<>();
        List<String> nulls = new ArrayList<>();
        for (Map.Entry<String, JsonNode> column : row.properties()) {
            String key = column.getKey();
            JsonNode value = column.getValue();
            if (value.isNull()) {
                nulls.addAll(isKey(key) ? List.of(key) : List.of());
                continue;
            }
            if (CONVERSATIONAL.contains(key) || (isKey(key) && isMessages(value))) {
                throw new BadRow(
                        BadRow.Reason.CONVERSATIONAL,
                        key
                                + " holds role and content messages, which need the model's chat template; render them"
                                + " to text first (apply_chat_template in transformers) and give the text as prompt,"
                                + " chosen and rejected");
            }
            if (isKey(key)) {
                present.add(key);
            }
        }
        for (RowFormat format : values()) {
            if (present.equals(new HashSet<>(format.keys))) {
                format.checkWanted(wanted);
                return format;
            }
        }
        List<String> all = new ArrayList<>();
        row.fieldNames().forEachRemaining(all::add);
        throw new BadRow(
                BadRow.Reason.UNKNOWN_FORMAT,
                (present.isEmpty() ? "its keys are " + all : "of its keys, " + present + " make no format")
                        + (nulls.isEmpty() ? "" : " (null: " + String.join(", ", nulls) + ")") + "; give "
                        + names(wanted));
    }

    private static boolean isKey(String key) {
        return Arrays.stream(values()).anyMatch(format -> format.keys.contains(key));
    }

    /** A message, or a list that begins with one. */
    private static boolean isMessages(JsonNode value) {
        return value.isObject() || (value.isArray() && value.path(0).isObject());
    }

    void checkWanted(Set<RowFormat> wanted) throws BadRow {
        if (!wanted.contains(this)) {
            throw new BadRow(
                    BadRow.Reason.UNKNOWN_FORMAT,
                    "it has " + keys + (pair ? ", a pair" : ", no pair") + "; give " + names(wanted));
        }
    }

    private static String names(Set<RowFormat> formats) {
        return formats.stream().map(RowFormat::toString).collect(Collectors.joining(" or "));
    }

    /** Whether rows of this format take the column's value. */
    boolean reads(String column) {
        return keys.contains(column);
    }

    /** Whether rows hold token ids, taken as they are. */
    boolean isIds() {
        return keys.get(0).endsWith("ids");
    }

    @Override
    public String toString() {
        return keys.toString();
    }
}
