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
import java.util.LinkedHashMap;
import java.util.Map;
import org.dpo4j.io.FileErrors;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Writes {@code metrics.jsonl}: one JSON object per line, written to the file before the run continues. Replaces the
 * file of an earlier run. A full disk does not end the run: lines that cannot be written wait in memory, and each later
 * line tries to write them again.
 */
public final class MetricsLog implements AutoCloseable {
    /**
     * Upper bound on the bytes of a line. The longest, of an evaluation, has 17 metrics, each with at most 65 characters of name, 40 of them
     * the name of an evaluation set, 24 of number and 4 of punctuation: 1581.
     */
    public static final int MAX_LINE_BYTES = 2048;

    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path file;
    private final RunListener listener;
    /** Null before the file exists. Not a FileChannel, because an interrupt of this thread would close it. */
    private @Nullable RandomAccessFile lines;

    private final ByteArrayOutputStream waiting = new ByteArrayOutputStream();
    private int waitingLines;
    private boolean isBegun;
    /** Bytes of the complete lines in the file. */
    private long end;

    /**
     * Does not create or change the file before {@link #begin}. Throws if the file cannot be opened for writing, or its
     * directory does not exist. The listener receives a notice if lines wait in memory.
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

    /** Empties the file. The first line does so too. */
    public void begin() {
        try {
            writeWaiting();
        } catch (IOException e) {
            throw new Dpo4jException(
                    file + " cannot be emptied (" + FileErrors.reason(e) + "); choose another output_dir", e);
        }
    }

    /** A line as JSON. NaN and infinity are null, because JSON does not have them. */
    public static ObjectNode json(Metrics metrics) {
        ObjectNode line = JSON.createObjectNode().put("step", metrics.step());
        metrics.values().forEach((name, value) -> line.put(name, Double.isFinite(value) ? value : null));
        return line;
    }

    /** The line that {@link #json} wrote. Throws, naming the key, if a value has another type. */
    public static Metrics parse(ObjectNode line) {
        if (!line.path("step").canConvertToExactIntegral()) {
            throw new Dpo4jException("step is not a whole number");
        }
        line.properties().forEach(value -> {
            if (!value.getValue().isNumber() && !value.getValue().isNull()) {
                throw new Dpo4jException(value.getKey() + " is " + value.getValue() + ", not a number");
            }
        });
        Map<String, Double> values = new LinkedHashMap<>();
        line.properties().forEach(value -> {
            if (!value.getKey().equals("step")) {
                values.put(value.getKey(), value.getValue().asDouble(Double.NaN));
            }
        });
        return new Metrics(line.path("step").asInt(), values);
    }

    /** Appends a line. NaN and infinity are written as null, because JSON does not have them. */
    public void write(Metrics metrics) {
        waiting.writeBytes((json(metrics) + "\n").getBytes(StandardCharsets.UTF_8));
        waitingLines++;
        try {
            writeWaiting();
        } catch (IOException e) {
            if (waitingLines == 1) {
                listener.notice(file + " cannot be written (" + FileErrors.reason(e)
                        + "); training goes on and its lines wait in memory; free space");
            }
        }
    }

    /** Whether lines wait in memory. */
    public boolean hasWaitingLines() {
        return waitingLines > 0;
    }

    /** Writes waiting lines and closes the file. Throws if they cannot be written. */
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

    /** Writes the waiting lines. If that fails, the file keeps only complete lines. */
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
