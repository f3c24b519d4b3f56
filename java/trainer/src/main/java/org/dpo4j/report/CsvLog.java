package org.dpo4j.report;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.OutputFile;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Writes {@code metrics.csv} into the output directory: a row for each line of {@code metrics.jsonl}, and a column for each
 * metric, in the order in which metrics first occur. A column never moves. If a metric occurs for the first time in a later
 * row, such as those of an evaluation, the file is replaced by one with the new columns at its end. A cell is empty if the
 * line does not have the metric. The format is that of RFC 4180, with the line ends of Unix.
 */
public final class CsvLog implements RunListener {
    private static final String FILE = "metrics.csv";

    private final Set<String> columns = new LinkedHashSet<>();
    private final List<Metrics> rows = new ArrayList<>();
    private final RunListener notices;
    private @Nullable Path file;
    private boolean isComplete;
    private boolean isFaultTold;

    /** {@code notices} receives a notice if the file cannot be written; each later row tries again. */
    public CsvLog(RunListener notices) {
        this.notices = notices;
    }

    @Override
    public void started(RunStart start) {
        file = start.directory().resolve(FILE);
        rows.addAll(start.history());
        rows.forEach(row -> columns.addAll(row.values().keySet()));
        write(false);
    }

    @Override
    public void metrics(Metrics metrics) {
        rows.add(metrics);
        boolean hasNewColumns = columns.addAll(metrics.values().keySet());
        write(isComplete && !hasNewColumns);
    }

    /** Appends the last row, or writes the whole file if it has other columns or lacks rows. */
    private void write(boolean isAppended) {
        if (file == null) {
            return;
        }
        try {
            if (isAppended) {
                Files.writeString(file, line(rows.get(rows.size() - 1)), StandardOpenOption.APPEND);
            } else {
                OutputFile.write(file, text().getBytes(StandardCharsets.UTF_8));
            }
            isComplete = true;
        } catch (IOException | Dpo4jException e) {
            isComplete = false;
            if (!isFaultTold) {
                isFaultTold = true;
                String reason = e instanceof IOException fault ? FileErrors.reason(fault) : e.getMessage();
                notices.notice(
                        file + " cannot be written (" + reason + "); training goes on, and later rows try again");
            }
        }
    }

    private String text() {
        StringBuilder text = new StringBuilder("step");
        columns.forEach(name -> text.append(',').append(quoted(name)));
        text.append('\n');
        for (Metrics row : rows) {
            text.append(line(row));
        }
        return text.toString();
    }

    private String line(Metrics row) {
        return columns.stream()
                .map(name -> "," + cell(row.values().get(name)))
                .collect(Collectors.joining("", Integer.toString(row.step()), "\n"));
    }

    private static String cell(@Nullable Double value) {
        if (value == null) {
            return "";
        }
        boolean isWhole = value == Math.rint(value) && Math.abs(value) < 1L << 53;
        return isWhole ? Long.toString(value.longValue()) : value.toString();
    }

    private static String quoted(String name) {
        return name.matches("[^\",\r\n]*") ? name : '"' + name.replace("\"", "\"\"") + '"';
    }
}
