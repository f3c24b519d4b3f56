package org.dpo4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** What a row's keys say it is. Keys that no format uses are left alone. */
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

    /** The format whose keys a row has, all of them and none of another's. */
    static RowFormat of(ObjectNode row, boolean pair) throws BadRow {
        Set<String> present = new LinkedHashSet<>();
        Set<String> all = new LinkedHashSet<>();
        row.fieldNames().forEachRemaining(all::add);
        for (String key : all) {
            JsonNode value = row.get(key);
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
                return format.checked(pair);
            }
        }
        throw new BadRow(
                BadRow.Reason.UNKNOWN_FORMAT,
                (present.isEmpty() ? "its keys are " + all : "of its keys, " + present + " make no format") + "; give "
                        + wanted(pair));
    }

    private static boolean isKey(String key) {
        return Arrays.stream(values()).anyMatch(format -> format.keys.contains(key));
    }

    /** A message, or a list that begins with one. */
    private static boolean isMessages(JsonNode value) {
        return value.isObject() || (value.isArray() && value.path(0).isObject());
    }

    private RowFormat checked(boolean wantsPair) throws BadRow {
        if (pair != wantsPair) {
            throw new BadRow(
                    BadRow.Reason.UNKNOWN_FORMAT,
                    "it has " + keys + (pair ? ", a pair" : ", no pair") + "; give " + wanted(wantsPair));
        }
        return this;
    }

    private static String wanted(boolean pair) {
        List<String> formats = new ArrayList<>();
        for (RowFormat format : values()) {
            if (format.pair == pair) {
                formats.add(format.keys.toString());
            }
        }
        return String.join(" or ", formats);
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
