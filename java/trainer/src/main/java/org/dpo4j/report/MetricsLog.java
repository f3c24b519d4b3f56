package org.dpo4j.report;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.dpo4j.io.FileErrors;
import org.dpo4j.kernels.Dpo4jException;

/**
 * {@code metrics.jsonl}: one JSON object a line, on the disk before the run goes on. Replaces what an earlier run wrote
 * there.
 */
public final class MetricsLog implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path file;
    private final BufferedWriter lines;

    public MetricsLog(Path file) {
        this.file = file;
        try {
            this.lines = Files.newBufferedWriter(file);
        } catch (IOException e) {
            throw unwritable(e);
        }
    }

    /** Appends a line. JSON has no NaN or infinity: such a value is written as null. */
    public void write(Metrics metrics) {
        ObjectNode line = JSON.createObjectNode().put("step", metrics.step());
        metrics.values().forEach((name, value) -> line.put(name, Double.isFinite(value) ? value : null));
        try {
            lines.write(JSON.writeValueAsString(line));
            lines.write('\n');
            lines.flush();
        } catch (IOException e) {
            throw unwritable(e);
        }
    }

    @Override
    public void close() {
        try {
            lines.close();
        } catch (IOException e) {
            throw unwritable(e);
        }
    }

    private Dpo4jException unwritable(IOException e) {
        return new Dpo4jException(
                file + " cannot be written (" + FileErrors.reason(e) + "); free space or choose another output_dir", e);
    }
}
