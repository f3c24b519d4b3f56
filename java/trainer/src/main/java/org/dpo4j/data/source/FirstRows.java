package org.dpo4j.data.source;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** The first rows of a source, bad ones included. */
record FirstRows(RowSource source, int count) implements RowSource {

    @Override
    public String name() {
        return source.name();
    }

    @Override
    public Rows open() {
        return new ForwardedRows(source.open()) {
            private int read;

            @Override
            public @Nullable Row next() throws BadRow {
                if (read == count) {
                    checkEnd();
                    return null;
                }
                read++;
                return rows.next();
            }

            @Override
            public double share() {
                return Math.min(1, (double) read / count);
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
    public List<String> notes() {
        return source.notes();
    }

    @Override
    public @Nullable String identity() {
        String identity = source.identity();
        return identity == null ? null : identity + "\n" + count;
    }
}
