package org.dpo4j.data.source;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The rows of a source, each changed by a function, for example with fewer or renamed columns.
 *
 * @param change a function without state
 * @param description what the function does, for the identity
 */
public record MappedSource(RowSource source, UnaryOperator<ObjectNode> change, String description)
        implements RowSource {

    @Override
    public String name() {
        return source.name();
    }

    @Override
    public Rows open() {
        return new ForwardedRows(source.open()) {
            @Override
            public @Nullable Row next() throws BadRow {
                Row row = rows.next();
                return row == null ? null : new Row(row.number(), change.apply(row.values()));
            }
        };
    }

    @Override
    public List<SourceFile> files() {
        return source.files();
    }

    @Override
    public boolean hasSplits() {
        return source.hasSplits();
    }

    @Override
    public @Nullable String identity() {
        String identity = source.identity();
        return identity == null ? null : identity + "\n" + description;
    }

    @Override
    public List<String> notes() {
        return source.notes();
    }
}
