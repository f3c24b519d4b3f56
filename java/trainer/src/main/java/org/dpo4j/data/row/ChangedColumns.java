package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.dpo4j.data.source.MappedSource;
import org.dpo4j.data.source.RowSource;

/** A source whose rows have other columns. A column that an option names and no row has is an error. */
public final class ChangedColumns implements MappedSource.Change {
    private final UnaryOperator<ObjectNode> change;
    private final MissingColumns missing;

    private ChangedColumns(UnaryOperator<ObjectNode> change, MissingColumns missing) {
        this.change = change;
        this.missing = missing;
    }

    /** The rows with these columns alone. */
    public static RowSource keep(RowSource source, Set<String> columns) {
        return new MappedSource(
                source,
                () -> new ChangedColumns(
                        row -> row.deepCopy().retain(columns), MissingColumns.keptBy("columns", columns)),
                "columns " + columns);
    }

    /** The rows with columns of other names. */
    public static RowSource rename(RowSource source, ColumnMap columns) {
        return new MappedSource(
                source,
                () -> new ChangedColumns(columns::apply, MissingColumns.readBy(columns)),
                "column_map " + columns);
    }

    @Override
    public ObjectNode apply(ObjectNode row) {
        missing.add(row);
        return change.apply(row);
    }

    @Override
    public void checkEnd(String source) {
        missing.check(source);
    }
}
