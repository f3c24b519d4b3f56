package org.dpo4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.dpo4j.data.row.RowFormat;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.data.source.Rows;
import org.dpo4j.data.store.StoreWriter;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Collects converted rows of one kind, pairs or sequences, in the order of the file. It checks what concerns several rows,
 * such as one format per file, and counts.
 */
final class DatasetReader<T> implements AutoCloseable {
    private static final int ROWS_PER_REPORT = 64;

    /** The file may be read to its end, because it is buffered, while its last rows are converted. */
    private static final double MAX_SHARE = 0.999;

    private final OnBadRow onBadRow;
    private final RowConverter<T> converter;
    private final StoreWriter<T> rows;
    private final Map<BadRow.Reason, Integer> skipped = new EnumMap<>(BadRow.Reason.class);
    private final Map<String, Integer> columnsUsed = new LinkedHashMap<>();
    private final Map<String, Integer> columnsNotUsed = new LinkedHashMap<>();
    private @Nullable RowFormat format;
    private @Nullable Dpo4jException refusal;
    private boolean hasRowsOfKind;
    private int truncated;
    private int mergedPrompts;

    DatasetReader(OnBadRow onBadRow, RowConverter<T> converter, StoreWriter<T> rows) {
        this.onBadRow = onBadRow;
        this.converter = converter;
        this.rows = rows;
    }

    /**
     * Reads the source once, converts its rows on all cores and passes every row to all readers, in its order. Ends when every
     * reader has refused a row.
     */
    static void read(RowSource source, List<DatasetReader<?>> readers, ReadListener listener) {
        try (Rows rows = source.open();
                OrderedTasks tasks = new OrderedTasks(Runtime.getRuntime().availableProcessors())) {
            long count = 0;
            while (!isOver(readers) && addNext(rows, tasks, readers)) {
                count++;
                if (count % ROWS_PER_REPORT == 0) {
                    listener.converted(count, Math.min(rows.share(), MAX_SHARE));
                }
            }
            tasks.finish();
            listener.converted(count, rows.share());
        }
    }

    /** Reads a row and adds the task that converts it. An error of reading is a task too, so that it waits for its turn. */
    private static boolean addNext(Rows rows, OrderedTasks tasks, List<DatasetReader<?>> readers) {
        Rows.Row row;
        try {
            row = rows.next();
        } catch (BadRow bad) {
            String place = rows.place(rows.number());
            tasks.add(() -> inTurn(readers, reader -> reader.leaveOut(place, bad)), 1);
            return true;
        } catch (RuntimeException e) {
            tasks.add(
                    () -> inTurn(readers, reader -> {
                        throw e;
                    }),
                    1);
            return false;
        }
        if (row == null) {
            return false;
        }
        tasks.add(
                () -> {
                    List<Runnable> actions = readers.stream()
                            .map(reader -> reader.convert(row, rows))
                            .toList();
                    return inTurn(actions, readers);
                },
                RowSize.find(row.values()));
        return true;
    }

    private static Runnable inTurn(List<DatasetReader<?>> readers, Consumer<DatasetReader<?>> action) {
        return inTurn(List.of(() -> readers.forEach(action)), readers);
    }

    /** Rows after the one that every reader has refused do not count, although they were read. */
    private static Runnable inTurn(List<Runnable> actions, List<DatasetReader<?>> readers) {
        return () -> {
            if (!isOver(readers)) {
                actions.forEach(Runnable::run);
            }
        };
    }

    private static boolean isOver(List<DatasetReader<?>> readers) {
        return readers.stream().allMatch(reader -> reader.refusal != null);
    }

    /** Converts a row, on any thread. The returned action takes the result, on the thread that reads. */
    private Runnable convert(Rows.Row row, Rows rows) {
        ConvertedRow<T> converted = converter.convert(row);
        return () -> add(converted, rows);
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
        row.used().forEach(this.rows::add);
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
        boolean hasRows = rows.rows() > 0;
        boolean hasOther = other.rows.rows() > 0;
        if (hasRows != hasOther) {
            return hasRows;
        }
        return hasRowsOfKind || !other.hasRowsOfKind;
    }

    /** The usable rows. */
    StoreWriter<T> rows() {
        return rows;
    }

    /** Numbers of rows used, cut and skipped. Throws if a row was refused or no row is usable. */
    DatasetReport report(RowSource source) {
        if (refusal != null) {
            throw refusal;
        }
        DatasetReport report = report();
        if (report.used() == 0) {
            throw new Dpo4jException(
                    source.name() + " has no row that can be used" + (skipped.isEmpty() ? "" : ": " + report));
        }
        return report;
    }

    private DatasetReport report() {
        return new DatasetReport(
                rows.rows(),
                reasons(),
                truncated,
                mergedPrompts,
                Collections.unmodifiableMap(columnsUsed),
                Collections.unmodifiableMap(columnsNotUsed));
    }

    @Override
    public void close() {
        rows.close();
    }

    private Map<String, Integer> reasons() {
        Map<String, Integer> reasons = new LinkedHashMap<>();
        skipped.forEach((reason, count) -> reasons.put(reason.toString(), count));
        return Collections.unmodifiableMap(reasons);
    }
}
