package org.dpo4j.data.stats;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import org.dpo4j.data.row.ColumnMap;
import org.dpo4j.data.row.Example;
import org.dpo4j.data.row.MissingColumns;
import org.dpo4j.data.row.RowFormat;
import org.dpo4j.data.row.RowFormat.Kind;
import org.dpo4j.data.row.RowFormats;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.data.source.Rows;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * A row of any kind, before it is tokenised.
 *
 * @param place file and line, or element
 * @param values the row as read
 * @param format what its columns say it is
 * @param examples what it says, at least one
 */
public record ReadRow(String place, ObjectNode values, RowFormat format, List<Example> examples) {
    private static final Set<Kind> ANY = EnumSet.allOf(Kind.class);

    /** Rows that are in memory at the same time. */
    private static final int BATCH = 64;

    /** Receives the rows of a source. */
    public interface Receiver {
        /**
         * Receives a row, on any thread. The returned action runs on the thread that reads, in the order of rows. If it
         * throws, the row cannot be used.
         */
        Runnable row(ReadRow row) throws BadRow;

        /** Receives a row that cannot be used, in the order of rows. */
        void bad(String place, BadRow bad);
    }

    /**
     * Passes all rows to a receiver, on all cores. Throws if no row has a column that {@code columns} reads, after all rows
     * were received.
     */
    public static void forEach(RowSource source, ColumnMap columns, Receiver receiver) {
        MissingColumns missing = MissingColumns.readBy(columns);
        List<Supplier<Runnable>> batch = new ArrayList<>();
        try (Rows rows = source.open()) {
            boolean hasMore = true;
            while (hasMore) {
                hasMore = addNext(rows, columns, receiver, missing, batch);
                if (batch.size() == BATCH || !hasMore) {
                    run(batch, missing);
                    batch.clear();
                }
            }
        }
        missing.check(source.name());
    }

    /** Runs the tasks at once, then their actions in order. An error names the columns that no row has had. */
    private static void run(List<Supplier<Runnable>> batch, MissingColumns missing) {
        List<Runnable> actions = batch.parallelStream().map(Supplier::get).toList();
        try {
            actions.forEach(Runnable::run);
        } catch (Dpo4jException e) {
            throw missing.note().isEmpty() ? e : new Dpo4jException(e.getMessage() + missing.note(), e);
        }
    }

    private static boolean addNext(
            Rows rows, ColumnMap columns, Receiver receiver, MissingColumns missing, List<Supplier<Runnable>> batch) {
        try {
            Rows.Row row = rows.next();
            if (row != null) {
                missing.add(row.values());
                String place = rows.place(row.number());
                batch.add(() -> received(place, row.values(), columns, receiver));
            }
            return row != null;
        } catch (BadRow bad) {
            String place = rows.place(rows.number());
            batch.add(() -> () -> receiver.bad(place, bad));
            return true;
        }
    }

    /** An error waits for its turn too, so that the first one ends the command. */
    private static Runnable received(String place, ObjectNode values, ColumnMap columns, Receiver receiver) {
        try {
            return receiver.row(read(place, values, columns));
        } catch (BadRow bad) {
            return () -> receiver.bad(place, bad);
        } catch (RuntimeException e) {
            return () -> {
                throw e;
            };
        }
    }

    /** Reads a row. Throws if it has no format. */
    public static ReadRow read(String place, ObjectNode values, ColumnMap columns) throws BadRow {
        ObjectNode renamed = columns.apply(values);
        RowFormat format = RowFormats.find(renamed, ANY);
        return new ReadRow(place, values, format, format.read(renamed));
    }

    /** An error that names the row. */
    public static Dpo4jException error(String place, @Nullable String message) {
        return new Dpo4jException(place + ": " + message);
    }
}
