package org.dpo4j.data;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.zip.GZIPInputStream;

/**
 * The content of all members of a gzip file (RFC 1952, 2.2). {@link GZIPInputStream} takes bytes behind a member that
 * are no whole header of another for the end of the file, and loses them in silence. This throws there.
 */
final class GzipMembers extends GZIPInputStream {
    /** Bytes of CRC32 and ISIZE, which the inflater is not given. */
    private static final int TRAILER_BYTES = 8;

    /** Keeps whether bytes follow. {@link GZIPInputStream} asks for it behind every trailer. */
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

    /** {@code input}: its {@code available} is 0 at the end of the file and nowhere else. */
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
