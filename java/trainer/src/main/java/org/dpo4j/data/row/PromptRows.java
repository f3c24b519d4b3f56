package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.dpo4j.data.source.BadRow;
import org.jspecify.annotations.Nullable;

/** Reads rows that are prompts to continue: text, messages or ids. Other columns of the row are not read. */
public final class PromptRows {
    private static final String IDS = "prompt_ids";

    /** A prompt, as {@link Encoder#start} takes it, and the columns that it was read from. */
    public record Read(Content content, Set<String> columns) {}

    private PromptRows() {}

    /** Ids, if the row has them. Throws if the row has no prompt, or could be read in several ways. */
    public static Read read(ObjectNode row) throws BadRow {
        if (row.hasNonNull(IDS)) {
            return ids(row);
        }
        List<PromptColumns> found = new ArrayList<>();
        for (PromptColumns columns : PromptColumns.values()) {
            List<String> required = columns.required();
            boolean isText =
                    columns == PromptColumns.INPUT && !row.path("input").isObject();
            if (!required.isEmpty() && !isText && row.hasNonNull(required.get(0)) && !isAnswered(columns, row)) {
                found.add(columns);
            }
        }
        if (found.isEmpty()) {
            List<String> all = new ArrayList<>();
            row.fieldNames().forEachRemaining(all::add);
            throw new BadRow(
                    BadRow.Reason.UNKNOWN_FORMAT,
                    "its keys are " + all + "; give prompt, messages or prompt_ids, or rename columns with column_map");
        }
        if (found.size() > 1) {
            throw new BadRow(
                    BadRow.Reason.AMBIGUOUS,
                    "its prompt can be read from "
                            + found.stream()
                                    .map(columns -> columns.required().get(0))
                                    .collect(Collectors.joining(" or from "))
                            + "; leave out the others with column_map");
        }
        return read(row, found.get(0));
    }

    /** UltraFeedback and others have a whole conversation beside its prompt. */
    private static boolean isAnswered(PromptColumns columns, ObjectNode row) {
        return columns == PromptColumns.MESSAGES && row.hasNonNull("prompt");
    }

    private static Read ids(ObjectNode row) throws BadRow {
        int[] ids = Values.ids(row, IDS);
        if (ids.length == 0) {
            throw new BadRow(BadRow.Reason.EMPTY_PROMPT, "prompt_ids is empty; give at least one token");
        }
        return new Read(new Content.Ids(null, List.of(ids)), Set.of(IDS));
    }

    private static Read read(ObjectNode row, PromptColumns columns) throws BadRow {
        Set<String> read = new LinkedHashSet<>(columns.columns());
        JsonNode prompt = columns.read(row);
        if (prompt != null && prompt.isTextual() && !row.hasNonNull("system")) {
            return new Read(new Content.Text(null, List.of(prompt.textValue())), read);
        }
        read.addAll(ColumnFormat.CHAT);
        return new Read(Contents.whole(row, messages(prompt)), read);
    }

    private static ArrayNode messages(@Nullable JsonNode prompt) {
        return prompt instanceof ArrayNode messages
                ? messages
                : Messages.user(prompt == null ? "" : prompt.textValue());
    }
}
