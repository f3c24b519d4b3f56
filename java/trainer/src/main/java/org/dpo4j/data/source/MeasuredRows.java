package org.dpo4j.data.source;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Rows of a file, with the share of its bytes that has been read. */
final class MeasuredRows extends ForwardedRows {

    /** Counts the bytes read. */
    static final class Input extends FilterInputStream {
        private final long size;
        private long read;

        Input(InputStream input, Path file) throws IOException {
            super(input);
            this.size = Files.isRegularFile(file) ? Files.size(file) : 0;
        }

        @Override
        public int read() throws IOException {
            int next = super.read();
            read += next < 0 ? 0 : 1;
            return next;
        }

        @Override
        public int read(byte[] into, int offset, int length) throws IOException {
            int count = super.read(into, offset, length);
            read += Math.max(0, count);
            return count;
        }
    }

    private final Input input;

    MeasuredRows(Rows rows, Input input) {
        super(rows);
        this.input = input;
    }

    @Override
    public double share() {
        return input.size == 0 ? Double.NaN : Math.min(1, (double) input.read / input.size);
    }

    @Override
    public @Nullable Row next() throws BadRow {
        return rows.next();
    }
}
