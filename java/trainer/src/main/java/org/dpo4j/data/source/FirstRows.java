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
                return read++ < count ? rows.next() : null;
            }
        };
    }

    @Override
    public List<SourceFile> files() {
        return source.files();
    }

    @Override
    public @Nullable String identity() {
        String identity = source.identity();
        return identity == null ? null : identity + "\n" + count;
    }
}
