package org.dpo4j.report.record;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.MetricsLog;
import org.jspecify.annotations.Nullable;

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
    private static final ObjectMapper JSON = new ObjectMapper();

    public RecordedRun {
        metrics = List.copyOf(metrics);
        samples = List.copyOf(samples);
    }

    /** Whether a directory holds a run. */
    public static boolean isIn(Path directory) {
        return Files.isRegularFile(directory.resolve(METRICS));
    }

    /** Reads a run that ended or goes on. Throws if the directory holds no metrics, or a line that is no JSON object. */
    public static RecordedRun read(Path directory) {
        if (!isIn(directory)) {
            throw new Dpo4jException(directory + " holds no " + METRICS + "; give the output_dir of a run");
        }
        Path record = directory.resolve(RECORD);
        RunRecord parsed = RunRecord.parse(Files.exists(record) ? JsonFile.read(record) : JsonFile.object());
        return new RecordedRun(
                parsed.options().getOrDefault("run_name", fileName(directory)),
                parsed,
                metrics(directory.resolve(METRICS)),
                List.of());
    }

    private static String fileName(Path directory) {
        Path name = directory.toAbsolutePath().normalize().getFileName();
        return name == null ? directory.toString() : name.toString();
    }

    private static List<Metrics> metrics(Path file) {
        List<Metrics> metrics = new ArrayList<>();
        lines(file, line -> metrics.add(MetricsLog.parse(line)));
        return metrics;
    }

    /** Reads the objects of a file. The last line may be incomplete, because the run still writes or was killed. */
    private static void lines(Path file, Consumer<ObjectNode> consumer) {
        int number = 0;
        try (BufferedReader reader = Files.newBufferedReader(file)) {
            String line = reader.readLine();
            while (line != null) {
                number++;
                String next = reader.readLine();
                ObjectNode json = object(line);
                if (json != null) {
                    consumer.accept(json);
                } else if (next != null) {
                    throw new Dpo4jException(
                            file + " line " + number + " is not a JSON object; delete the line, or train again");
                }
                line = next;
            }
        } catch (IOException e) {
            throw new Dpo4jException(file + " cannot be read (" + FileErrors.reason(e) + "); make it readable", e);
        }
    }

    private static @Nullable ObjectNode object(String line) {
        try {
            JsonNode json = JSON.readTree(line);
            return json instanceof ObjectNode object ? object : null;
        } catch (JsonProcessingException e) {
            return null;
        }
    }
}
