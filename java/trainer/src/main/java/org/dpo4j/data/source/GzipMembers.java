package org.dpo4j.data.source;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.zip.GZIPInputStream;

/**
 * Reads all members of a gzip file (RFC 1952, 2.2). If bytes after a member are not the complete header of another,
 * {@link GZIPInputStream} silently ends there. This class throws instead.
 */
final class GzipMembers extends GZIPInputStream {
    /** Bytes of CRC32 and ISIZE, which follow the compressed data and remain in the inflater's input. */
    private static final int TRAILER_BYTES = 8;

    /** Remembers the last result of {@code available}, which {@link GZIPInputStream} calls after every trailer. */
    private static final class Source extends FilterInputStream {
        private boolean hasMore;

        Source(InputStream input) {
            super(input);
        }

        @Override
        public int available() throws IOException {
            int bytes = super.available();
            hasMore = bytes > 0;
            return bytes;
        }
    }

    private final Source source;

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
        if (count < 0 && (source.hasMore || inf.getRemaining() > TRAILER_BYTES)) {
            throw new IOException("bytes that are not gzip follow its gzip data");
        }
        return count;
    }
}
