package org.dpo4j.report.tensorboard;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.Comparator;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;
import org.dpo4j.io.JsonFile;
import org.dpo4j.report.Diagnosis;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunEnd;
import org.dpo4j.report.RunEnd.Status;
import org.dpo4j.report.RunListener;
import org.dpo4j.report.RunStart;
import org.jspecify.annotations.Nullable;

/**
 * Writes an event file with the tags of transformers' TensorBoardCallback: {@code train/loss}, {@code eval/loss} and so on,
 * the options as the text {@code args}, and also as hyperparameters. A run that goes on from a checkpoint adds a file to
 * the directory of its earlier part, and tells TensorBoard to drop what the earlier part wrote after the checkpoint.
 */
public final class TensorBoardWriter implements RunListener {
    private static final DateTimeFormatter NAME = DateTimeFormatter.ofPattern("MMMdd_HH-mm-ss", Locale.ENGLISH);
    private static final String RUNS = "runs";
    private static final String EVENTS = "events.out.tfevents.";

    private final @Nullable Path given;
    private final InstantSource clock;
    private @Nullable EventFile file;

    /**
     * Writes to a directory.
     *
     * @param directory directory of the event files; null: {@code runs/DATE_HOST} in the output directory, as transformers
     */
    public TensorBoardWriter(@Nullable Path directory) {
        this(directory, InstantSource.system());
    }

    TensorBoardWriter(@Nullable Path directory, InstantSource clock) {
        this.given = directory;
        this.clock = clock;
    }

    @Override
    public void started(RunStart start) {
        attempt(() -> {
            Path directory = directory(start);
            Files.createDirectories(directory);
            file = new EventFile(directory.resolve(fileName(directory)), now());
            if (start.isResumed()) {
                file.purge(now(), start.step() + 1);
            }
            file.summary(now(), 0, Summaries.text("args", json(start)));
            file.summary(now(), 0, Summaries.sessionStart(start.options(), now()));
        });
    }

    @Override
    public void metrics(Metrics metrics) {
        EventFile events = file;
        if (events == null) {
            return;
        }
        attempt(() -> {
            double time = now();
            for (String name : metrics.values().keySet()) {
                double value = metrics.values().getOrDefault(name, Double.NaN);
                events.summary(time, metrics.step(), Summaries.scalar(tag(name), value));
            }
        });
    }

    @Override
    public void diagnosis(Diagnosis diagnosis) {
        EventFile events = file;
        if (events != null) {
            attempt(() -> events.summary(now(), diagnosis.step(), Summaries.text("diagnoses", diagnosis.text())));
        }
    }

    @Override
    public void ended(RunEnd end) {
        EventFile events = file;
        if (events != null) {
            attempt(() -> {
                try (events) {
                    events.summary(now(), 0, Summaries.sessionEnd(end.status() == Status.COMPLETED, now()));
                }
            });
        }
    }

    /** As transformers' {@code rewrite_logs}. */
    private static String tag(String metric) {
        return metric.startsWith("eval_") ? "eval/" + metric.substring("eval_".length()) : "train/" + metric;
    }

    private Path directory(RunStart start) throws IOException {
        if (given != null) {
            return given;
        }
        Path runs = start.directory().resolve(RUNS);
        if (start.isResumed() && Files.isDirectory(runs)) {
            try (Stream<Path> directories = Files.list(runs)) {
                Optional<Path> newest = directories
                        .filter(TensorBoardWriter::hasEvents)
                        .max(Comparator.comparing(TensorBoardWriter::modified));
                if (newest.isPresent()) {
                    return newest.get();
                }
            }
        }
        return runs.resolve(NAME.format(clock.instant().atZone(ZoneId.systemDefault())) + "_" + host());
    }

    private static boolean hasEvents(Path directory) {
        if (!Files.isDirectory(directory)) {
            return false;
        }
        try (Stream<Path> files = Files.list(directory)) {
            return files.anyMatch(file -> file.getFileName().toString().startsWith(EVENTS));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Instant modified(Path directory) {
        try {
            return Files.getLastModifiedTime(directory).toInstant();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** TensorBoard reads the files of a directory in the order of their names, which begin with the time. */
    private String fileName(Path directory) {
        String start =
                EVENTS + String.format(Locale.ROOT, "%010d", clock.instant().getEpochSecond()) + "." + host() + "."
                        + ProcessHandle.current().pid() + ".";
        int number = 0;
        while (Files.exists(directory.resolve(start + number))) {
            number++;
        }
        return start + number;
    }

    private static String host() {
        try {
            String name = Files.readString(Path.of("/proc/sys/kernel/hostname"), StandardCharsets.UTF_8)
                    .strip();
            return name.isEmpty() ? "localhost" : name;
        } catch (IOException e) {
            return "localhost";
        }
    }

    private static String json(RunStart start) {
        ObjectNode json = JsonFile.object();
        start.options().forEach(json::put);
        return JsonFile.text(json).strip();
    }

    private double now() {
        return clock.instant().toEpochMilli() / 1000.0;
    }

    /** Something that writes files. */
    private interface Writing {
        void run() throws IOException;
    }

    private static void attempt(Writing writing) {
        try {
            writing.run();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
