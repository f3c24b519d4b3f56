package org.dpo4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.data.row.RowFormat;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.data.source.Rows;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Collects converted rows of one kind, pairs or sequences, in the order of the file. It checks what concerns several rows,
 * such as one format per file, and counts.
 */
final class DatasetReader<T> {
    private final OnBadRow onBadRow;
    private final RowConverter<T> converter;
    private final List<T> used = new ArrayList<>();
    private final Map<BadRow.Reason, Integer> skipped = new EnumMap<>(BadRow.Reason.class);
    private final Map<String, Integer> columnsUsed = new LinkedHashMap<>();
    private final Map<String, Integer> columnsNotUsed = new LinkedHashMap<>();
    private @Nullable RowFormat format;
    private @Nullable Dpo4jException refusal;
    private boolean hasRowsOfKind;
    private int truncated;
    private int mergedPrompts;

    DatasetReader(OnBadRow onBadRow, RowConverter<T> converter) {
        this.onBadRow = onBadRow;
        this.converter = converter;
    }

    /** Reads the rows once and passes every row to all readers. Stops early if every reader has refused a row. */
    static void read(RowSource source, List<DatasetReader<?>> readers) {
        try (Rows rows = source.open()) {
            for (boolean hasMore = true; hasMore && readers.stream().anyMatch(reader -> reader.refusal == null); ) {
                try {
                    Rows.Row row = rows.next();
                    hasMore = row != null;
                    if (row != null) {
                        readers.forEach(reader -> reader.convert(row, rows));
                    }
                } catch (BadRow bad) {
                    int number = rows.number();
                    readers.forEach(reader -> reader.leaveOut(rows.place(number), bad));
                }
            }
        }
    }

    private void convert(Rows.Row row, Rows rows) {
        add(converter.convert(row), rows);
    }

    /** Takes the next row of the file. */
    private void add(ConvertedRow<T> row, Rows rows) {
        hasRowsOfKind |= converter.isWanted(row.format());
        if (refusal != null) {
            return;
        }
        BadRow bad = badness(row);
        if (bad != null) {
            leaveOut(rows.place(row.number()), bad);
            return;
        }
        format = row.format(); // only a usable row sets the format of the file
        used.addAll(row.used());
        mergedPrompts += row.isPromptMerged() ? 1 : 0;
        truncated += row.isCut() ? 1 : 0;
        countColumns(row);
    }

    private void leaveOut(String place, BadRow bad) {
        if (bad.isByOption() || onBadRow == OnBadRow.SKIP) {
            skipped.merge(bad.reason(), 1, Integer::sum);
        } else if (refusal == null) {
            refusal = new Dpo4jException(place + ": " + bad.getMessage(), bad);
        }
    }

    /** Why the row cannot be used: its own reason, or that its format differs from that of the rows before it. */
    private @Nullable BadRow badness(ConvertedRow<T> row) {
        RowFormat found = row.format();
        if (format == null || !converter.isWanted(found) || format.equals(found)) {
            return row.bad();
        }
        return new BadRow(
                BadRow.Reason.MIXED_FORMAT,
                "it has " + found + " but the rows before it have " + format + "; use one format per file");
    }

    private void countColumns(ConvertedRow<T> row) {
        if (row.values() == null || row.format() == null) {
            return;
        }
        for (Map.Entry<String, JsonNode> column : row.values().properties()) {
            if (!column.getValue().isNull()) {
                (row.format().columns().contains(column.getKey()) ? columnsUsed : columnsNotUsed)
                        .merge(column.getKey(), 1, Integer::sum);
            }
        }
    }

    /** Whether the file holds rows of this kind rather than of the other; true if it has no rows of either. */
    boolean isLikelierThan(DatasetReader<?> other) {
        if (used.isEmpty() != other.used.isEmpty()) {
            return other.used.isEmpty();
        }
        return hasRowsOfKind || !other.hasRowsOfKind;
    }

    /** The usable rows. Throws if a row was refused or no row is usable. */
    List<T> rows(RowSource source) {
        if (refusal != null) {
            throw refusal;
        }
        if (used.isEmpty()) {
            throw new Dpo4jException(
                    source.name() + " has no row that can be used" + (skipped.isEmpty() ? "" : ": " + report()));
        }
        return List.copyOf(used);
    }

    /** Numbers of rows used, cut and skipped. */
    DatasetReport report() {
        return new DatasetReport(
                used.size(),
                reasons(),
                truncated,
                mergedPrompts,
                Collections.unmodifiableMap(columnsUsed),
                Collections.unmodifiableMap(columnsNotUsed));
    }

    private Map<String, Integer> reasons() {
        Map<String, Integer> reasons = new LinkedHashMap<>();
        skipped.forEach((reason, count) -> reasons.put(reason.toString(), count));
        return Collections.unmodifiableMap(reasons);
    }
}
