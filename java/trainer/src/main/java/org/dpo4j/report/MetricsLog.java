package org.dpo4j.report;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.dpo4j.io.FileErrors;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * {@code metrics.jsonl}: one JSON object a line, on the disk before the run goes on. Replaces what an earlier run wrote
 * there. A full disk does not end the run: lines that it does not take wait in memory, and each later line tries again.
 */
public final class MetricsLog implements AutoCloseable {
    /**
     * A line takes no more bytes. The longest has 17 metrics; a name has at most 24 characters, a double at most 24, and
     * four stand around them: 884.
     */
    public static final int MAX_LINE_BYTES = 1024;

    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path file;
    private final RunListener listener;
    /** Null before the file exists. Not a channel, which an interrupt of this thread would close. */
    private @Nullable RandomAccessFile lines;

    private final ByteArrayOutputStream waiting = new ByteArrayOutputStream();
    private int waitingLines;
    private boolean isBegun;
    /** Bytes of the whole lines on the disk. */
    private long end;

    /**
     * Creates no file and keeps that of an earlier run, until {@link #begin}. Throws if the file could not be written then.
     * The listener is told when lines wait in memory.
     */
    public MetricsLog(Path file, RunListener listener) {
        this.file = file;
        this.listener = listener;
        try {
            if (Files.exists(file)) {
                lines = new RandomAccessFile(file.toFile(), "rw");
            } else if (!Files.isDirectory(file.resolveSibling(""))) {
                throw new NoSuchFileException(file.toString(), null, "the directory does not exist");
            }
        } catch (IOException e) {
            throw new Dpo4jException(
                    file + " cannot be written (" + FileErrors.reason(e) + "); free space or choose another output_dir",
                    e);
        }
    }

    /** Empties the file: from now on it is this run's. The first line does so too. */
    public void begin() {
        try {
            writeWaiting();
        } catch (IOException e) {
            throw new Dpo4jException(
                    file + " cannot be emptied (" + FileErrors.reason(e) + "); choose another output_dir", e);
        }
    }

    /** Appends a line. JSON has no NaN or infinity: such a value is written as null. */
    public void write(Metrics metrics) {
        ObjectNode line = JSON.createObjectNode().put("step", metrics.step());
        metrics.values().forEach((name, value) -> line.put(name, Double.isFinite(value) ? value : null));
        waiting.writeBytes((line + "\n").getBytes(StandardCharsets.UTF_8));
        waitingLines++;
        try {
            writeWaiting();
        } catch (IOException e) {
            if (waitingLines == 1) {
                listener.notice(file + " cannot be written (" + FileErrors.reason(e)
                        + "); training goes on, and its lines wait in memory: free space");
            }
        }
    }

    /** Whether the disk has not taken every line yet. */
    public boolean hasWaitingLines() {
        return waitingLines > 0;
    }

    /** Throws when the disk has not taken every line. */
    @Override
    public void close() {
        try {
            try {
                if (waitingLines > 0) {
                    writeWaiting();
                }
            } finally {
                if (lines != null) {
                    lines.close();
                }
            }
        } catch (IOException e) {
            throw new Dpo4jException(
                    file + " lacks the last " + waitingLines + " lines (" + FileErrors.reason(e)
                            + "); free space before the next run",
                    e);
        }
    }

    private RandomAccessFile opened() throws IOException {
        if (lines == null) {
            lines = new RandomAccessFile(file.toFile(), "rw");
        }
        return lines;
    }

    /** Leaves no part of a line on the disk. */
    private void writeWaiting() throws IOException {
        RandomAccessFile lines = opened();
        try {
            if (!isBegun && lines.length() > 0) {
                lines.setLength(0);
            }
            isBegun = true;
            lines.seek(end);
            lines.write(waiting.toByteArray());
            end += waiting.size();
            waiting.reset();
            waitingLines = 0;
        } catch (IOException e) {
            if (lines.length() > end) {
                lines.setLength(end);
            }
            throw e;
        }
    }
}
