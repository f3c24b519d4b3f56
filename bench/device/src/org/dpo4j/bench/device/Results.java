package org.dpo4j.bench.device;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.StreamSupport;
import org.dpo4j.kernels.DeviceReport;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.Dpo4jException;

/**
 * The results file of a run. It is written again after every benchmark, so that a later fault or hang loses no result.
 * Any thread may write.
 */
final class Results {
    /** The key under which a row says why its gate failed. The time of such a row must not be used. */
    static final String GATE_FAILED = "gate_failed";

    private static final ObjectMapper JSON = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

    private final Path file;
    private final ObjectNode content = JSON.createObjectNode();
    private final ArrayNode rows;
    private final ArrayNode absent;
    private final ArrayNode failed;
    /** Keys of the benchmarks that an earlier run has finished. */
    private final Set<String> done = new HashSet<>();

    /**
     * @param kind cuda, cpu or emulated: the beginning of the file's name
     */
    Results(Path directory, String kind, String commit, String pace, String state) {
        DeviceReport report = Devices.report();
        LocalDateTime now = LocalDateTime.now(ZoneOffset.UTC);
        String date = now.toLocalDate().toString();
        String time = now.format(DateTimeFormatter.ofPattern("HHmmss", Locale.ROOT));
        file = directory.resolve(String.join("-", kind, date, commit, time) + ".json");
        content.put("date", date).put("commit", commit).put("device", kind);
        boolean cpu = kind.equals("cpu");
        if (cpu || report.cuda().gpus().isEmpty()) {
            content.put("processor", report.cpu().model());
        } else {
            DeviceReport.Gpu gpu = report.cuda().gpus().get(0);
            content.put("processor", gpu.name());
            content.put("capability", gpu.capability());
            content.put("memory_bytes", gpu.memoryBytes());
            content.put("driver", report.cuda().driver());
        }
        content.put("cores", report.cpu().cores());
        content.put(
                "instructions",
                cpu
                        ? report.cpu().instructionSet()
                        : "sm " + content.path("capability").asText());
        StringBuilder software = new StringBuilder("Java " + Runtime.version());
        report.versions()
                .forEach((name, version) ->
                        software.append(", ").append(name).append(' ').append(version));
        content.put("software", software.toString());
        content.put("pace", pace);
        content.put("machine_state", state);
        content.set("doctor", JSON.valueToTree(report));
        rows = content.putArray("results");
        absent = content.putArray("not_run");
        failed = content.putArray("failed");
    }

    Path file() {
        return file;
    }

    /** A new row. It gets into the file when it is complete and {@link #add added}. */
    static ObjectNode row(String benchmark, Shape shape) {
        return describe(JSON.createObjectNode(), benchmark, shape);
    }

    synchronized void add(ObjectNode row) {
        rows.add(row);
        write();
    }

    private static ObjectNode describe(ObjectNode row, String benchmark, Shape shape) {
        row.put("benchmark", benchmark);
        ObjectNode parameters = row.putObject("parameters");
        shape.parameters().forEach(parameters::put);
        return row;
    }

    /**
     * Continues an earlier run of this commit on this kind of device. Benchmarks that have a row or a failure in its
     * file are {@link #isDone done}.
     */
    void resume(Path earlier) {
        JsonNode run;
        try {
            run = JSON.readTree(earlier.toFile());
        } catch (IOException e) {
            throw new Dpo4jException(
                    "--skip-done " + earlier + ": " + firstLine(e) + ": name a file that ./bench wrote", e);
        }
        for (String key : List.of("commit", "device", "pace")) {
            String theirs = run.path(key).asText("none");
            String ours = content.path(key).asText();
            if (!theirs.equals(ours)) {
                throw new Dpo4jException("--skip-done " + earlier + ": its " + key + " is " + theirs
                        + ", that of this run " + ours + ": name a file of the run that is to go on");
            }
        }
        for (String list : List.of("results", "failed")) {
            for (JsonNode row : run.path(list)) {
                if (!row.has("peer")) {
                    done.add(key(row));
                }
            }
        }
    }

    private static String firstLine(IOException e) {
        return e instanceof JsonProcessingException ? "no JSON" : "cannot be read";
    }

    /** Whether an earlier run has finished this benchmark. */
    boolean isDone(String benchmark, Shape shape) {
        return done.contains(key(row(benchmark, shape)));
    }

    private static String key(JsonNode row) {
        return row.path("benchmark").asText() + " " + row.path("parameters");
    }

    /** Writes that a benchmark was not run, because this machine cannot run it or time was short, and why. */
    synchronized void absent(String benchmark, Shape shape, String reason) {
        describe(absent.addObject(), benchmark, shape).put("reason", reason);
        write();
    }

    /** Writes that a benchmark failed or hung, and why. It has no time. */
    synchronized void failed(String benchmark, Shape shape, String reason) {
        describe(failed.addObject(), benchmark, shape).put("reason", reason);
        write();
    }

    /** The number of failures, including rows whose gate failed. */
    synchronized int failures() {
        return failed.size()
                + (int) StreamSupport.stream(rows.spliterator(), false)
                        .filter(row -> row.has(GATE_FAILED))
                        .count();
    }

    synchronized int measured() {
        return rows.size();
    }

    synchronized int absences() {
        return absent.size();
    }

    synchronized void write() {
        try {
            Files.createDirectories(file.toAbsolutePath().getParent());
            Path part = file.resolveSibling(file.getFileName() + ".part");
            JSON.writeValue(part.toFile(), content);
            Files.move(part, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new UncheckedIOException(file + " cannot be written", e);
        }
    }
}
