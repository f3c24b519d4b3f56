package org.dpo4j.report.record;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.OutputFile;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.report.Diagnosis;
import org.dpo4j.report.Generations;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunEnd;
import org.dpo4j.report.RunHeader;
import org.dpo4j.report.RunListener;
import org.dpo4j.report.RunStart;
import org.jspecify.annotations.Nullable;

/**
 * Writes {@code run.json} and {@code generations/} into the output directory when the run starts, when it has something to tell, and when it ends.
 * A run that goes on from a checkpoint keeps the date, diagnoses and notices of its earlier part.
 */
public final class RunRecorder implements RunListener {
    private static final int MAX_NOTICES = 100;

    private final InstantSource clock;
    private final Map<String, String> facts = new LinkedHashMap<>();
    private final List<String> diagnoses = new ArrayList<>();
    private final List<String> notices = new ArrayList<>();
    private @Nullable RunStart start;
    /** Why samples of an evaluation were not written; null if all were. */
    private @Nullable Dpo4jException unwritten;

    private Instant started = Instant.EPOCH;

    public RunRecorder() {
        this(InstantSource.system());
    }

    RunRecorder(InstantSource clock) {
        this.clock = clock;
    }

    @Override
    public void header(RunHeader header) {
        facts.putAll(header.facts());
    }

    @Override
    public void started(RunStart start) {
        this.start = start;
        started = now();
        Path file = start.directory().resolve(RecordedRun.RECORD);
        if (start.isResumed() && Files.exists(file)) {
            goOn(file);
        }
        write(RunRecord.RUNNING, start.step(), null, null);
    }

    /** Keeps what the run said before it was resumed. A damaged file does not end the record: it is replaced. */
    private void goOn(Path file) {
        RunRecord earlier;
        try {
            earlier = RunRecord.parse(JsonFile.read(file));
        } catch (Dpo4jException e) {
            notices.add(0, file + " was damaged when the run went on, so what the run said before is not shown");
            return;
        }
        started = earlier.outline().started() == null
                ? started
                : earlier.outline().started();
        addEarlier(diagnoses, earlier.diagnoses());
        addEarlier(notices, earlier.notices());
    }

    /** Puts earlier lines first. A line that the run and the run before it both said, such as how many rows are cut, is kept once. */
    private static void addEarlier(List<String> lines, List<String> earlier) {
        lines.removeAll(earlier);
        lines.addAll(0, earlier);
    }

    /** Metrics are in metrics.jsonl. */
    @Override
    public void metrics(Metrics metrics) {}

    @Override
    public void notice(String line) {
        if (notices.size() < MAX_NOTICES) {
            notices.add(line);
            writeIfStarted();
        }
    }

    @Override
    public void generations(Generations generations) {
        if (start != null) {
            try {
                GenerationFiles.write(start.directory(), generations);
            } catch (Dpo4jException e) {
                unwritten = e;
            }
        }
    }

    @Override
    public void diagnosis(Diagnosis diagnosis) {
        diagnoses.add(diagnosis.toString());
        writeIfStarted();
    }

    @Override
    public void ended(RunEnd end) {
        facts.putAll(peakMemory());
        write(end.status().toString(), end.step(), now(), end.reason());
        if (unwritten != null) {
            throw unwritten;
        }
    }

    /** Writes the whole record. If a write fails, as on a full disk, the next one has all lines. */
    private void writeIfStarted() {
        if (start != null) {
            try {
                write(RunRecord.RUNNING, start.step(), null, null);
            } catch (Dpo4jException e) {
                // the disk may have space again when the run ends
            }
        }
    }

    private void write(String status, int step, @Nullable Instant ended, @Nullable String reason) {
        RunStart run = start;
        if (run == null) {
            return;
        }
        RunRecord.Outline outline =
                new RunRecord.Outline(run.trainer(), status, step, run.steps(), started, ended, reason);
        RunRecord record = new RunRecord(outline, facts, run.options(), run.memory(), software(), diagnoses, notices);
        OutputFile.write(
                run.directory().resolve(RecordedRun.RECORD),
                JsonFile.text(record.json()).getBytes(StandardCharsets.UTF_8));
    }

    private Instant now() {
        return clock.instant().truncatedTo(ChronoUnit.SECONDS);
    }

    private static Map<String, String> software() {
        Map<String, String> software = new LinkedHashMap<>();
        String version = RunRecorder.class.getPackage().getImplementationVersion();
        software.put("dpo4j", version == null ? "(not from a jar)" : version);
        software.put("Java", System.getProperty("java.vm.name") + " " + Runtime.version());
        software.put("system", System.getProperty("os.name") + " " + System.getProperty("os.version"));
        return software;
    }

    /** The peak of the process's memory, from Linux. */
    private static Map<String, String> peakMemory() {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                if (line.startsWith("VmHWM:")) {
                    double kilobytes = Double.parseDouble(line.replaceAll("\\D", ""));
                    return Map.of(
                            "host memory",
                            String.format(Locale.ROOT, "peak of the process %.1f MB", kilobytes * 1.024e-3));
                }
            }
        } catch (IOException | NumberFormatException e) {
            return Map.of(); // not Linux
        }
        return Map.of();
    }
}
