package org.dpo4j.conformance;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * Counts what ran on which device, and which tests were skipped. Processes add up their counts through files in one
 * directory.
 */
final class Tally {
    private static final String NO_DEVICE = "no device";
    private static final String SEPARATOR = "\t";

    /** The outcome of a test. */
    enum End {
        PASSED,
        FAILED,
        SKIPPED
    }

    private final Map<String, int[]> counts = new TreeMap<>();
    private final Map<String, String> descriptions = new TreeMap<>();
    private final List<String> skipped = new ArrayList<>();

    /** The display name of a test is its device, followed by the dtype. */
    void add(String displayName, End end) {
        String first = displayName.split(" ", 2)[0];
        count(TestDevices.KNOWN.contains(first) ? first : NO_DEVICE, end, 1);
    }

    private void count(String device, End end, int tests) {
        counts.computeIfAbsent(device, name -> new int[End.values().length])[end.ordinal()] += tests;
    }

    void skip(String test, String reason) {
        skipped.add((test + ": " + reason).replaceAll("\\s+", " "));
    }

    void describe(Map<String, String> devices) {
        descriptions.putAll(devices);
    }

    /** A line for each device, and one for each test that was skipped. */
    List<String> lines(String asked) {
        List<String> lines = new ArrayList<>();
        counts.forEach((name, counted) -> lines.add(name + ": " + counted[0] + " passed, " + counted[1] + " failed, "
                + counted[2] + " skipped" + (descriptions.containsKey(name) ? " on " + descriptions.get(name) : "")));
        List<String> notRun = TestDevices.KNOWN.stream()
                .filter(name -> !counts.containsKey(name))
                .toList();
        if (!notRun.isEmpty()) {
            lines.add("nothing ran on " + String.join(", ", notRun) + ": " + TestDevices.PROPERTY + " is " + asked);
        }
        skipped.stream().sorted().forEach(line -> lines.add("skipped: " + line));
        return lines;
    }

    /** Appends the counts of this process to its file in {@code directory}. */
    void append(Path directory) throws IOException {
        List<String> lines = new ArrayList<>();
        counts.forEach((name, counted) -> {
            for (End end : End.values()) {
                lines.add(String.join(SEPARATOR, end.name(), name, String.valueOf(counted[end.ordinal()])));
            }
        });
        descriptions.forEach((name, description) -> lines.add(String.join(SEPARATOR, "ON", name, description)));
        skipped.forEach(line -> lines.add("WHY" + SEPARATOR + line));
        Files.createDirectories(directory);
        Path file = directory.resolve(ProcessHandle.current().pid() + ".txt");
        Files.write(file, lines, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    /** The sum of all files in {@code directory}. The directory does not exist if nothing ran. */
    static Tally read(Path directory) throws IOException {
        Tally tally = new Tally();
        if (!Files.exists(directory)) {
            return tally;
        }
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.toList()) {
                Files.readAllLines(file).forEach(tally::readLine);
            }
        }
        return tally;
    }

    private void readLine(String line) {
        String[] words = line.split(SEPARATOR, 3);
        switch (words[0]) {
            case "ON" -> descriptions.put(words[1], words[2]);
            case "WHY" -> skipped.add(words[1]);
            default -> count(words[1], End.valueOf(words[0]), Integer.parseInt(words[2]));
        }
    }
}
