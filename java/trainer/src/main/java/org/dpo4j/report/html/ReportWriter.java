package org.dpo4j.report.html;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.io.OutputFile;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunEnd;
import org.dpo4j.report.RunListener;
import org.dpo4j.report.RunStart;
import org.dpo4j.report.record.RecordedRun;
import org.jspecify.annotations.Nullable;

/**
 * Writes {@code report.html} into the output directory when the run ends, and after an evaluation if the last page is a
 * minute old. It reads the files of the run, so it comes after the listener that records the run.
 */
public final class ReportWriter implements RunListener {
    private static final String REPORT = "report.html";
    private static final long MIN_AGE_NANOS = 60_000_000_000L;

    private @Nullable Path directory;
    private long writtenAt;

    @Override
    public void started(RunStart start) {
        directory = start.directory();
        writtenAt = System.nanoTime();
    }

    @Override
    public void metrics(Metrics metrics) {
        boolean isEvaluation = metrics.values().keySet().stream().anyMatch(name -> name.startsWith("eval_"));
        if (isEvaluation
                && directory != null
                && RecordedRun.isIn(directory)
                && System.nanoTime() - writtenAt > MIN_AGE_NANOS) {
            writtenAt = System.nanoTime();
            try {
                write(directory);
            } catch (Dpo4jException e) {
                // as on a full disk: the page is written again when the run ends
            }
        }
    }

    @Override
    public void ended(RunEnd end) {
        if (directory != null && RecordedRun.isIn(directory)) {
            write(directory);
        }
    }

    /** Writes the report of one run into its directory and returns the file. */
    public static Path write(Path directory) {
        Path file = directory.resolve(REPORT);
        write(file, List.of(RecordedRun.read(directory)));
        return file;
    }

    /** Writes a report of several runs, or of one. */
    public static void write(Path file, List<RecordedRun> runs) {
        OutputFile.write(file, ReportPage.html(runs).getBytes(StandardCharsets.UTF_8));
    }
}
