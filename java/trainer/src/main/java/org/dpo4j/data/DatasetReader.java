package org.dpo4j.data;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.BitSet;
import java.util.List;
import java.util.function.Consumer;
import org.dpo4j.data.row.MissingColumns;
import org.dpo4j.data.row.RowFormat;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.data.source.Rows;
import org.dpo4j.data.store.SeenRows;
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

    private final ReadOptions options;
    private final RowConverter<T> converter;
    private final StoreWriter<T> rows;
    private final RowCounts counts = new RowCounts();
    private final SeenRows seen = new SeenRows();
    private final MissingColumns missing;
    /** Rows of the store that a later one contradicts. */
    private final BitSet contradicted = new BitSet();

    private @Nullable RowFormat format;
    private @Nullable Dpo4jException refusal;
    private boolean hasRowsOfKind;

    DatasetReader(ReadOptions options, RowConverter<T> converter, StoreWriter<T> rows) {
        this.options = options;
        this.converter = converter;
        this.rows = rows;
        this.missing = MissingColumns.readBy(options.rows().columns());
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
            tasks.add(() -> inTurn(readers, reader -> reader.leaveOut(place, null, bad)), 1);
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
        return () -> {
            missing.add(row.values());
            add(converted, rows);
        };
    }

    /** Takes the next row of the file. */
    private void add(ConvertedRow<T> row, Rows rows) {
        hasRowsOfKind |= converter.isWanted(row.format());
        if (refusal != null) {
            return;
        }
        String place = rows.place(row.number());
        BadRow bad = badness(row);
        if (bad != null) {
            leaveOut(place, row.values(), bad);
            return;
        }
        format = row.format(); // only a usable row sets the format of the file
        boolean isUsed = false;
        for (int i = 0; i < row.used().size(); i++) {
            BadRow repeat = repeat(row.fingerprints().get(i), place);
            if (repeat == null) {
                this.rows.add(row.used().get(i));
                isUsed = true;
            } else {
                leaveOut(place, row.values(), repeat);
            }
        }
        if (isUsed) {
            counts.add(row, place);
        }
    }

    /** Why an example is left out because of an earlier one; null if it is used. Notes it if it is used all the same. */
    private @Nullable BadRow repeat(Fingerprint fingerprint, String place) {
        RepeatOptions repeats = options.repeats();
        boolean isIdentical = fingerprint.isOwnOpposite();
        if (isIdentical && repeats.isContradictionDropped()) {
            return BadRow.leftOut(
                    BadRow.Reason.IDENTICAL_SIDES, "chosen and rejected are the same; there is nothing to prefer");
        }
        int same = seen.find(fingerprint.high(), fingerprint.low());
        int opposite = fingerprint.hasOpposite() && !isIdentical
                ? seen.find(fingerprint.oppositeHigh(), fingerprint.oppositeLow())
                : SeenRows.NONE;
        boolean isContradictionDropped = opposite != SeenRows.NONE && repeats.isContradictionDropped();
        if (same == SeenRows.NONE) {
            seen.add(fingerprint.high(), fingerprint.low(), isContradictionDropped ? SeenRows.DROPPED : rows.rows());
        }
        if (isContradictionDropped) {
            dropContradicted(opposite);
            return BadRow.leftOut(BadRow.Reason.CONTRADICTED, "another row says the opposite");
        }
        if (same != SeenRows.NONE && repeats.isRepeatDropped()) {
            return BadRow.leftOut(BadRow.Reason.REPEATED, "an earlier row has the same tokens");
        }
        note(BadRow.Reason.IDENTICAL_SIDES, isIdentical, place);
        note(BadRow.Reason.CONTRADICTED, opposite != SeenRows.NONE, place);
        note(BadRow.Reason.REPEATED, same != SeenRows.NONE, place);
        return null;
    }

    private void note(BadRow.Reason reason, boolean holds, String place) {
        if (holds) {
            counts.note(reason.toString(), place);
        }
    }

    private void dropContradicted(int earlier) {
        if (earlier != SeenRows.DROPPED && !contradicted.get(earlier)) {
            contradicted.set(earlier);
            counts.leftOut(BadRow.Reason.CONTRADICTED);
        }
    }

    private void leaveOut(String place, @Nullable ObjectNode values, BadRow bad) {
        boolean isSkipped = options.onBadRow() == OnBadRow.SKIP;
        if (bad.isByOption() || isSkipped) {
            counts.leftOut(bad.reason(), place);
            if (isSkipped && options.rejected() != null) {
                options.rejected().add(place, values, bad);
            }
        } else if (refusal == null) {
            refusal = new Dpo4jException(place + ": " + bad.getMessage() + missing.note(), bad);
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
                "it has " + found + " but the rows before it have " + format
                        + "; use one format for all rows, which the command data writes with --convert");
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

    /** Numbers of rows used, cut and left out. Throws if a row was refused or no row is usable. */
    DatasetReport report(RowSource source) {
        if (refusal != null) {
            throw refusal;
        }
        missing.check(source.name());
        rows.remove(contradicted);
        DatasetReport report = counts.report(rows.rows());
        if (report.used() == 0) {
            throw new Dpo4jException(
                    source.name() + " has no row that can be used" + (counts.hasLeftOut() ? ": " + report : ""));
        }
        return report;
    }

    @Override
    public void close() {
        rows.close();
    }
}
