package org.dpo4j.data.stats;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.dpo4j.data.row.ColumnMap;
import org.dpo4j.data.row.Example;
import org.dpo4j.data.row.RowFormat;
import org.dpo4j.data.row.RowFormat.Kind;
import org.dpo4j.data.row.RowFormats;
import org.dpo4j.data.source.BadRow;
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

    /** Receives the rows of a source. */
    public interface Receiver {
        /** Receives a row. If it throws, the row cannot be used. */
        void row(ReadRow row) throws BadRow;

        /** Receives a row that cannot be used. */
        void bad(String place, BadRow bad);
    }

    /** Passes all rows to a receiver, in order. */
    public static void forEach(Rows rows, ColumnMap columns, Receiver receiver) {
        while (true) {
            try {
                Rows.Row row = rows.next();
                if (row == null) {
                    return;
                }
                receiver.row(read(rows.place(row.number()), row.values(), columns));
            } catch (BadRow bad) {
                receiver.bad(rows.place(rows.number()), bad);
            }
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
