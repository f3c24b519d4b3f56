package org.dpo4j.bench.device;

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
import java.util.Locale;
import org.dpo4j.kernels.DeviceReport;

/** The file of a run, written again after every benchmark: what was measured stays measured, whatever comes after. Any thread may write. */
final class Results {
    private static final ObjectMapper JSON = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

    private final Path file;
    private final ObjectNode content = JSON.createObjectNode();
    private final ObjectNode peers;
    private final ArrayNode rows;
    private final ArrayNode absent;
    private final ArrayNode failed;

    /**
     * @param kind cuda, cpu or emulated: the file's name begins so
     */
    Results(Path directory, String kind, String commit, String pace, String state) {
        DeviceReport report = DeviceReport.probe();
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
        rows = content.putArray("results");
        peers = content.putObject("peers");
        absent = content.putArray("not_run");
        failed = content.putArray("failed");
    }

    Path file() {
        return file;
    }

    /** A row to be filled in, and then {@link #add added}: one that is not whole never stands in the file. */
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

    /** Another library that runs, or does not. */
    synchronized void peer(String name, String what) {
        peers.put(name, what);
        write();
    }

    /** A benchmark that this machine cannot run, or had no time for. */
    synchronized void absent(String benchmark, Shape shape, String peer, String reason) {
        ObjectNode row = describe(absent.addObject(), benchmark, shape);
        if (!peer.isEmpty()) {
            row.put("peer", peer);
        }
        row.put("reason", reason);
        write();
    }

    /** A benchmark whose results are wrong, or whose call failed: it has no number. */
    synchronized void failed(String benchmark, Shape shape, String reason) {
        describe(failed.addObject(), benchmark, shape).put("reason", reason);
        write();
    }

    synchronized int failures() {
        return failed.size();
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
