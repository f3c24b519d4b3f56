package org.dpo4j.data.source;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.zip.GZIPInputStream;

/**
 * Reads all members of a gzip file (RFC 1952, 2.2), and zero bytes behind them, with which tapes and block devices pad files
 * and which gzip ignores too. If other bytes after a member are not the complete header of another, {@link GZIPInputStream}
 * silently ends there. This class throws instead.
 */
final class GzipMembers extends GZIPInputStream {
    /** Bytes of CRC32 and ISIZE, which follow the compressed data. */
    private static final int TRAILER_BYTES = 8;

    /**
     * Counts single bytes that are read since the inflater's buffer was filled: {@link GZIPInputStream} reads those of a
     * trailer and of a header behind it one by one.
     */
    private static final class Source extends FilterInputStream {
        private int singles;
        private int lastNonZero = -1;

        Source(InputStream input) {
            super(input);
        }

        @Override
        public int read() throws IOException {
            int next = super.read();
            lastNonZero = next > 0 ? singles : lastNonZero;
            singles++;
            return next;
        }

        @Override
        public int read(byte[] into, int offset, int length) throws IOException {
            singles = 0;
            lastNonZero = -1;
            return super.read(into, offset, length);
        }
    }

    private final Source source;
    private boolean isAtEnd;

    /** The {@code available} of {@code input} must be 0 only at the end of the file. */
    GzipMembers(InputStream input) throws IOException {
        this(new Source(input));
    }

    private GzipMembers(Source source) throws IOException {
        super(source, 1 << 16);
        this.source = source;
    }

    @Override
    public int read(byte[] into, int offset, int length) throws IOException {
        int count = super.read(into, offset, length);
        if (count < 0 && !isAtEnd) {
            isAtEnd = true;
            if (!hasOnlyZeros()) {
                throw new IOException("bytes that are not gzip follow its gzip data");
            }
        }
        return count;
    }

    /** Whether only zeros follow the trailer of the last member: in the buffer, among single bytes, in the rest of the file. */
    private boolean hasOnlyZeros() throws IOException {
        int buffered = inf.getRemaining();
        for (int i = len - buffered + TRAILER_BYTES; i < len; i++) {
            if (buf[i] != 0) {
                return false;
            }
        }
        if (source.lastNonZero >= Math.max(0, TRAILER_BYTES - buffered)) {
            return false;
        }
        byte[] rest = new byte[1 << 13];
        for (int count = source.read(rest); count >= 0; count = source.read(rest)) {
            for (int i = 0; i < count; i++) {
                if (rest[i] != 0) {
                    return false;
                }
            }
        }
        return true;
    }
}
