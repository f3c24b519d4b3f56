package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.dpo4j.data.source.BadRow;

/** All row formats. Finds the format of a row by its columns. Columns of no format are ignored and reported. */
public final class RowFormats {
    public static final List<RowFormat> ALL = List.of(
            new TextFormat(List.of("prompt", "chosen", "rejected")),
            new TranscriptFormat(),
            new IdFormat(List.of("prompt_ids", "chosen_ids", "rejected_ids")),
            new WholeFormat("text", false),
            new TextFormat(List.of("prompt", "completion")),
            new WholeFormat("ids", true),
            new IdFormat(List.of("prompt_ids", "completion_ids")));

    public static final List<RowFormat> PAIRS =
            ALL.stream().filter(format -> format.kind() == RowFormat.Kind.PAIR).toList();

    public static final List<RowFormat> SEQUENCES = ALL.stream()
            .filter(format -> format.kind() == RowFormat.Kind.SINGLE)
            .toList();

    private static final Set<String> CONVERSATIONAL = Set.of("messages", "conversations");

    private RowFormats() {}

    /**
     * The format whose keys a row has: all of them and none of another format. A null value counts as absent, because
     * joined tables write null for columns that a row lacks. Throws if the format is not one of {@code wanted}.
     */
    public static RowFormat find(ObjectNode row, List<RowFormat> wanted) throws BadRow {
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
        for (RowFormat format : ALL) {
            if (present.equals(format.columns())) {
                checkWanted(format, wanted);
                return format;
            }
        }
        List<String> all = new ArrayList<>();
        row.fieldNames().forEachRemaining(all::add);
        throw new BadRow(
                BadRow.Reason.UNKNOWN_FORMAT,
                (present.isEmpty() ? "its keys are " + all : "its keys " + present + " match no format")
                        + (nulls.isEmpty() ? "" : " (null, so ignored: " + String.join(", ", nulls) + ")") + "; give "
                        + names(wanted));
    }

    private static boolean isKey(String key) {
        return ALL.stream().anyMatch(format -> format.columns().contains(key));
    }

    /** A message, or a list that begins with one. */
    private static boolean isMessages(JsonNode value) {
        return value.isObject() || (value.isArray() && value.path(0).isObject());
    }

    public static void checkWanted(RowFormat found, List<RowFormat> wanted) throws BadRow {
        if (!wanted.contains(found)) {
            throw new BadRow(
                    BadRow.Reason.UNKNOWN_FORMAT,
                    "it has " + found + (found.kind() == RowFormat.Kind.PAIR ? ", a pair" : ", not a pair") + "; give "
                            + names(wanted));
        }
    }

    private static String names(List<RowFormat> formats) {
        return formats.stream().map(Object::toString).collect(Collectors.joining(" or "));
    }
}
