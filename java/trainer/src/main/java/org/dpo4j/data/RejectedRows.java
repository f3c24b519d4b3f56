package org.dpo4j.data;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.io.FileErrors;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Writes the rows that are left out as JSON lines: {@code {"file", "row", "reason", "message", "content"}}. {@code
 * content} is the row as read, or the text of a line that is not JSON. The file appears when all rows are read. It has at
 * most 64 MiB; its last line then says how many rows it lacks, {@code {"not_written": 123}}. If no row is left out,
 * there is no file, and that of an earlier run is deleted. Of two rows that contradict each other, the later one is written.
 */
public final class RejectedRows implements AutoCloseable {
    private static final long MAX_BYTES = 64 << 20;
    private static final String NOT_WRITTEN = "{\"not_written\":";
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path file;
    private final Path writing;
    private final long maxBytes;
    private @Nullable FileChannel channel;
    private @Nullable OutputStream lines;
    private long bytes;
    private int notWritten;

    /** Creates or replaces {@code file} when it is closed. */
    public RejectedRows(Path file) {
        this(file, MAX_BYTES);
    }

    RejectedRows(Path file, long maxBytes) {
        this.file = file;
        this.writing = file.resolveSibling("." + file.getFileName() + ".writing");
        this.maxBytes = maxBytes;
    }

    /** Adds a row. {@code place} is the file and the line or row, {@code values} null if the row is not JSON. */
    void add(String place, @Nullable ObjectNode values, BadRow bad) {
        int number = place.lastIndexOf(' ');
        ObjectNode line = JSON.createObjectNode()
                .put("file", place.substring(0, place.lastIndexOf(' ', number - 1)))
                .put("row", Integer.parseInt(place.substring(number + 1)))
                .put("reason", bad.reason().toString())
                .put("message", bad.getMessage());
        line.set("content", values == null ? line.textNode(bad.text()) : values);
        add((line + "\n").getBytes(StandardCharsets.UTF_8));
    }

    /** Where the next line begins. */
    long position() {
        return bytes;
    }

    /** Copies the lines from a position on. */
    void copy(long from, WritableByteChannel to) throws IOException {
        OutputStream open = lines;
        if (open != null) {
            open.flush();
            try (FileChannel written = FileChannel.open(writing, StandardOpenOption.READ)) {
                for (long at = from; at < bytes; ) {
                    at += written.transferTo(at, bytes - at, to);
                }
            }
        }
        if (notWritten > 0) {
            to.write(ByteBuffer.wrap(lastLine()));
        }
    }

    /** Adds the lines that were copied to a file. Returns false if there is no such file. */
    boolean append(Path copied) {
        try (BufferedReader reader = Files.newBufferedReader(copied)) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                if (line.startsWith(NOT_WRITTEN)) {
                    notWritten += JSON.readTree(line).path("not_written").intValue();
                } else {
                    add((line + "\n").getBytes(StandardCharsets.UTF_8));
                }
            }
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    private byte[] lastLine() {
        return (NOT_WRITTEN + notWritten + "}\n").getBytes(StandardCharsets.UTF_8);
    }

    private void add(byte[] text) {
        if (notWritten > 0 || bytes + text.length > maxBytes) {
            notWritten++;
        } else {
            write(text);
        }
    }

    private void write(byte[] text) {
        try {
            OutputStream open = lines;
            if (open == null) {
                writing.toFile().deleteOnExit(); // in case of Ctrl-C
                channel = FileChannel.open(
                        writing,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.TRUNCATE_EXISTING,
                        StandardOpenOption.WRITE);
                open = new BufferedOutputStream(Channels.newOutputStream(channel));
                lines = open;
            }
            open.write(text);
            bytes += text.length;
        } catch (IOException e) {
            throw unwritten(e);
        }
    }

    private Dpo4jException unwritten(IOException e) {
        return new Dpo4jException(
                file + " cannot be written (" + FileErrors.reason(e)
                        + "); free space, or set on_bad_row to error, which writes no such file",
                e);
    }

    /** The same for all, because stored rows depend only on whether there is such a file. */
    @Override
    public String toString() {
        return "rejected rows";
    }

    /** Moves the file into place. */
    @Override
    public void close() {
        try {
            if (notWritten > 0) {
                write(lastLine());
            }
            if (lines == null || channel == null) {
                Files.deleteIfExists(file);
                return;
            }
            lines.flush();
            channel.force(true);
            channel.close();
            Files.move(writing, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw unwritten(e);
        }
    }
}
