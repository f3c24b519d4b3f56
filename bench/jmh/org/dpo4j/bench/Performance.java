package org.dpo4j.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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
                "%n`bench/results/%s`: %s, %d cores, %s, %s, commit %s, %s%n%n"
                        + "| benchmark | parameters | median (p20 to p80) | 10^9 elements/s |%n"
                        + "| --- | --- | --- | --- |%n",
                file.getFileName(),
                run.get("processor").asText(),
                run.get("cores").asInt(),
                run.get("instructions").asText(),
                run.get("software").asText(),
                run.get("commit").asText(),
                run.get("date").asText()));
        for (JsonNode row : run.get("results")) {
            double median = row.get("median_us").asDouble();
            tables.append(String.format(
                    Locale.ROOT,
                    "| %s | %s | %s (%s to %s) | %s |%n",
                    row.get("benchmark").asText(),
                    parameters(row.get("parameters")),
                    time(median),
                    time(row.get("p20_us").asDouble()),
                    time(row.get("p80_us").asDouble()),
                    row.has("elements")
                            ? String.format(
                                    Locale.ROOT, "%.2f", row.get("elements").asLong() / median / 1e3)
                            : ""));
        }
        tables.append('\n');
    }

    private static String parameters(JsonNode parameters) {
        List<String> texts = new ArrayList<>();
        parameters
                .fields()
                .forEachRemaining(
                        each -> texts.add(each.getKey() + " " + each.getValue().asText()));
        return String.join(", ", texts);
    }

    private static String time(double microseconds) {
        if (microseconds < 1) {
            return String.format(Locale.ROOT, "%.1f ns", microseconds * 1e3);
        }
        return microseconds < 1e3
                ? String.format(Locale.ROOT, "%.1f us", microseconds)
                : String.format(Locale.ROOT, "%.1f ms", microseconds / 1e3);
    }
}
