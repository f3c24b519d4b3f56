package org.dpo4j.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Writes the tables of PERFORMANCE.md from bench/results: {@code Performance PERFORMANCE.md RESULTS-DIRECTORY}. */
final class Performance {
    private static final Pattern TABLES = Pattern.compile("(<!-- tables -->\n).*(<!-- end -->)", Pattern.DOTALL);

    private Performance() {}

    public static void main(String[] arguments) throws IOException {
        Path document = Path.of(arguments[0]);
        StringBuilder tables = new StringBuilder();
        for (Path file : results(Path.of(arguments[1]))) {
            append(tables, file);
        }
        String text = Files.readString(document);
        Files.writeString(
                document, TABLES.matcher(text).replaceFirst("$1" + Matcher.quoteReplacement(tables.toString()) + "$2"));
    }

    private static List<Path> results(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.filter(file -> file.toString().endsWith(".json"))
                    .sorted()
                    .toList();
        }
    }

    private static void append(StringBuilder tables, Path file) throws IOException {
        JsonNode run = new ObjectMapper().readTree(file.toFile());
        tables.append(String.format(
                Locale.ROOT,
                "%n`bench/results/%s`: %s, %d cores, %s, Java %s, commit %s, %s%n%n"
                        + "| operation | rows x vocabulary | threads | median (p20 to p80), ms | 10^9 elements/s |%n"
                        + "| --- | --- | --- | --- | --- |%n",
                file.getFileName(),
                run.get("processor").asText(),
                run.get("cores").asInt(),
                run.get("instructions").asText(),
                run.get("java").asText(),
                run.get("commit").asText(),
                run.get("date").asText()));
        for (JsonNode row : run.get("results")) {
            JsonNode parameters = row.get("parameters");
            long elements =
                    TokenLogProbBenchmark.ROWS * parameters.get("vocabulary").asLong();
            tables.append(String.format(
                    Locale.ROOT,
                    "| %s | %d x %d | %d | %.1f (%.1f to %.1f) | %.2f |%n",
                    row.get("benchmark").asText(),
                    TokenLogProbBenchmark.ROWS,
                    parameters.get("vocabulary").asLong(),
                    parameters.get("threads").asInt(),
                    row.get("median_us").asDouble() / 1e3,
                    row.get("p20_us").asDouble() / 1e3,
                    row.get("p80_us").asDouble() / 1e3,
                    elements / row.get("median_us").asDouble() / 1e3));
        }
        tables.append('\n');
    }
}
