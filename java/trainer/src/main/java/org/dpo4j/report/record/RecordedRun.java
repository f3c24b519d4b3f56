package org.dpo4j.report.record;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.MetricsLog;

/**
 * A run as its output directory holds it.
 *
 * @param name run_name, or the name of the directory
 * @param record what {@code run.json} holds; empty for a run without that file
 * @param metrics lines of metrics.jsonl
 * @param samples of the last evaluation that generated some
 */
public record RecordedRun(String name, RunRecord record, List<Metrics> metrics, List<Sample> samples) {
    /** The file that a {@link RunRecorder} writes. */
    static final String RECORD = "run.json";

    private static final String METRICS = "metrics.jsonl";
    private static final String REMEDY =
            "the run wrote it; delete it, and a report shows the metrics without header and notices";

    public RecordedRun {
        metrics = List.copyOf(metrics);
        samples = List.copyOf(samples);
    }

    /** Whether a directory holds a run. */
    public static boolean isIn(Path directory) {
        return Files.isRegularFile(directory.resolve(METRICS));
    }

    /**
     * Reads a run that ended or goes on. Throws if the directory holds no metrics, or a file or line that is no JSON object.
     */
    public static RecordedRun read(Path directory) {
        if (!isIn(directory)) {
            throw new Dpo4jException(directory + " holds no " + METRICS + "; give the output_dir of a run");
        }
        Path record = directory.resolve(RECORD);
        RunRecord parsed = RunRecord.parse(Files.exists(record) ? JsonFile.read(record, REMEDY) : JsonFile.object());
        return new RecordedRun(
                parsed.options().getOrDefault("run_name", fileName(directory)),
                parsed,
                metrics(directory.resolve(METRICS)),
                GenerationFiles.last(directory));
    }

    /** The step of the last line of metrics; 0 if there is none. */
    public int lastStep() {
        return metrics.isEmpty() ? 0 : metrics.get(metrics.size() - 1).step();
    }

    private static String fileName(Path directory) {
        Path name = directory.toAbsolutePath().normalize().getFileName();
        return name == null ? directory.toString() : name.toString();
    }

    private static List<Metrics> metrics(Path file) {
        List<Metrics> metrics = new ArrayList<>();
        JsonLines.read(file, line -> metrics.add(MetricsLog.parse(line)));
        return metrics;
    }
}
