package org.dpo4j.parquet;

import dev.hardwood.InputFile;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * A Parquet file, read by position. Hardwood's own {@code InputFile} maps the file into memory. If another process then
 * truncates the file, reading the mapping ends the JVM with SIGBUS. A read by position throws an exception instead.
 */
final class ReadFile implements InputFile {
    /** Bytes that a read counts in addition to its own, so that empty reads use up the budget too. */
    private static final long READ_COST = 2048;

    private final Path path;
    /** Bytes that may still be read. A damaged index can make hardwood read the same range without end. */
    private final AtomicLong budget = new AtomicLong();

    private @Nullable FileChannel channel;

    ReadFile(Path path) {
        this.path = path;
    }

    @Override
    public void open() throws IOException {
        if (channel == null) {
            channel = FileChannel.open(path, StandardOpenOption.READ);
            budget.set(64 * channel.size() + (64 << 20));
        }
    }

    private FileChannel channel() throws IOException {
        if (channel == null) {
            throw new IOException("the file is not open");
        }
        return channel;
    }

    @Override
    public ByteBuffer readRange(long offset, int length) throws IOException {
        if (offset < 0 || length < 0 || offset > length() - length) {
            throw new EOFException("the data end too early");
        }
        if (budget.addAndGet(-length - READ_COST) < 0) {
            throw new IOException("the same data are read again and again");
        }
        ByteBuffer bytes = ByteBuffer.allocateDirect(length);
        while (bytes.hasRemaining()) {
            if (channel().read(bytes, offset + bytes.position()) < 0) {
                throw new EOFException("the data end too early");
            }
        }
        return bytes.flip();
    }

    @Override
    public long length() throws IOException {
        return channel().size();
    }

    @Override
    public String name() {
        return path.toString();
    }

    @Override
    public void close() throws IOException {
        if (channel != null) {
            channel.close();
        }
    }
}
