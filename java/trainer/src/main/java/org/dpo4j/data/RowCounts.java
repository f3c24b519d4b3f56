package org.dpo4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.dpo4j.data.source.BadRow;

/** Counts the rows of a data set for its {@link DatasetReport}. */
final class RowCounts {
    private final Map<BadRow.Reason, RowCount> leftOut = new EnumMap<>(BadRow.Reason.class);
    private final Map<String, RowCount> cut = new LinkedHashMap<>();
    private final Map<String, RowCount> noted = new TreeMap<>();
    private final Map<String, Integer> columnsUsed = new LinkedHashMap<>();
    private final Map<String, Integer> columnsNotUsed = new LinkedHashMap<>();
    private int cutRows;
    private int mergedPrompts;

    /** A row that is used. */
    void add(ConvertedRow<?> row, String place) {
        mergedPrompts += row.isPromptMerged() ? 1 : 0;
        cutRows += row.cutParts().isEmpty() ? 0 : 1;
        row.cutParts().forEach(part -> count(cut, part, place));
        if (row.hasEmptyAnswer()) {
            note("answer without text", place);
        }
        if (row.values() != null && row.format() != null) {
            countColumns(row.values(), row.format().columns());
        }
    }

    private void countColumns(ObjectNode values, Set<String> known) {
        for (Map.Entry<String, JsonNode> column : values.properties()) {
            if (!column.getValue().isNull()) {
                (known.contains(column.getKey()) ? columnsUsed : columnsNotUsed)
                        .merge(column.getKey(), 1, Integer::sum);
            }
        }
    }

    /** A row that is not used. */
    void leftOut(BadRow.Reason reason, String place) {
        count(leftOut, reason, place);
    }

    /** An earlier row that is not used after all. */
    void leftOut(BadRow.Reason reason) {
        RowCount before = leftOut.get(reason);
        leftOut.put(
                reason, before == null ? new RowCount(1, List.of()) : new RowCount(before.rows() + 1, before.first()));
    }

    /** A used row that {@code what} holds for. */
    void note(String what, String place) {
        count(noted, what, place);
    }

    private static <K> void count(Map<K, RowCount> counts, K key, String place) {
        RowCount before = counts.get(key);
        counts.put(key, before == null ? RowCount.one(place) : before.and(place));
    }

    /** Whether a row is left out. */
    boolean hasLeftOut() {
        return !leftOut.isEmpty();
    }

    /** The report, with {@code used} rows. */
    DatasetReport report(int used) {
        Map<String, RowCount> reasons = new LinkedHashMap<>();
        leftOut.forEach((reason, count) -> reasons.put(reason.toString(), count));
        return new DatasetReport(used, cutRows, mergedPrompts, cut, reasons, noted, columnsUsed, columnsNotUsed);
    }
}
