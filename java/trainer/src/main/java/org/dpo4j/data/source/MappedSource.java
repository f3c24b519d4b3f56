package org.dpo4j.data.source;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The rows of a source, each changed, for example with fewer or renamed columns.
 *
 * @param changes makes a change for each time that the rows are read
 * @param description what a change does, for the identity
 */
public record MappedSource(RowSource source, Supplier<Change> changes, String description) implements RowSource {

    /** Changes the rows of a source, in their order. */
    public interface Change {
        /** The row that takes the place of this one. */
        ObjectNode apply(ObjectNode row);

        /** Throws if the rows that were read cannot be what was meant. {@code source} is what errors call them. */
        default void checkEnd(String source) {}
    }

    @Override
    public String name() {
        return source.name();
    }

    @Override
    public Rows open() {
        Change change = changes.get();
        return new ForwardedRows(source.open()) {
            @Override
            public @Nullable Row next() throws BadRow {
                Row row = rows.next();
                if (row == null) {
                    change.checkEnd(name());
                }
                return row == null ? null : new Row(row.number(), change.apply(row.values()));
            }

            @Override
            public void checkEnd() {
                super.checkEnd();
                change.checkEnd(name());
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
