package org.dpo4j.bench.device;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.dpo4j.kernels.Dpo4jException;

/**
 * Writes the tables of PERFORMANCE.md from bench/results: {@code Performance PERFORMANCE.md RESULTS-DIRECTORY}. A number that was not measured is not
 * written.
 */
final class Performance {
    private Performance() {}

    public static void main(String[] arguments) throws IOException {
        Path document = Path.of(arguments[0]);
        Path results = Path.of(arguments[1]);
        Files.writeString(document, written(Files.readString(document), results));
    }

    /** The document with its tables made anew. */
    static String written(String document, Path results) throws IOException {
        StringBuilder tables = new StringBuilder();
        runs(results).forEach((file, run) -> append(tables, file, run));
        Matcher place = Pattern.compile("(<!-- tables -->\n).*(<!-- end tables -->)", Pattern.DOTALL)
                .matcher(document);
        if (!place.find()) {
            throw new Dpo4jException("the document has no place for its tables: <!-- tables -->, <!-- end tables -->");
        }
        return place.replaceFirst("$1" + Matcher.quoteReplacement(tables.toString()) + "$2");
    }

    static Map<Path, JsonNode> runs(Path directory) throws IOException {
        Map<Path, JsonNode> runs = new LinkedHashMap<>();
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.filter(each -> each.toString().endsWith(".json"))
                    .sorted()
                    .toList()) {
                JsonNode run = new ObjectMapper().readTree(file.toFile());
                if (run.path("pace").asText().equals("look")) {
                    throw new Dpo4jException(file + " is a look at tiny sizes, no measurement: take it away");
                }
                runs.put(file, run);
            }
        }
        return runs;
    }

    private static void append(StringBuilder tables, Path file, JsonNode run) {
        tables.append(String.format(
                "%n`bench/results/%s`: %s, %d cores, %s, %s, commit %s, %s%n%n",
                file.getFileName(),
                run.path("processor").asText(),
                run.path("cores").asInt(),
                run.path("instructions").asText(),
                run.path("software").asText(),
                run.path("commit").asText(),
                run.path("date").asText()));
        if (DpoRunTables.isOf(run)) {
            DpoRunTables.append(tables, run);
        } else if (rows(run).stream()
                .anyMatch(row -> row.path("benchmark").asText().startsWith("PyTorch."))) {
            appendBesidePyTorch(tables, run);
        } else {
            appendPlain(tables, run);
        }
        tables.append('\n');
    }

    private static void appendPlain(StringBuilder tables, JsonNode run) {
        tables.append(
                "| benchmark | parameters | median (p20 to p80) | 10^9 elements/s |\n| --- | --- | --- | --- |\n");
        for (JsonNode row : rows(run)) {
            double median = row.path("median_us").asDouble();
            tables.append(String.format(
                    "| %s | %s | %s | %s |%n",
                    row.path("benchmark").asText()
                            + (row.has("peer") ? " by " + row.path("peer").asText() : "")
                            + (row.has(Results.GATE_FAILED) ? " (gate failed: the result is wrong)" : ""),
                    parameters(row),
                    Quantity.times(row),
                    row.has("elements")
                            ? Quantity.number("%.2f", row.path("elements").asLong() / median / 1e3)
                            : ""));
        }
    }

    /** One line for each set of parameters: ours, PyTorch's, and how many times as long that is. */
    private static void appendBesidePyTorch(StringBuilder tables, JsonNode run) {
        List<String> operations = List.of("forward", "backward");
        Map<String, Map<String, Double>> medians = new LinkedHashMap<>();
        for (JsonNode row : rows(run)) {
            medians.computeIfAbsent(parameters(row), key -> new LinkedHashMap<>())
                    .put(row.path("benchmark").asText(), row.path("median_us").asDouble());
        }
        tables.append("| token log-prob, medians |");
        operations.forEach(each -> tables.append(" " + each + " | PyTorch | times as long |"));
        tables.append("\n| --- |" + " --- | --- | --- |".repeat(operations.size()) + "\n");
        medians.forEach((parameters, of) -> {
            tables.append("| ").append(parameters).append(" |");
            for (String operation : operations) {
                double ours = of.getOrDefault("TokenLogProb." + operation, Double.NaN);
                double theirs = of.getOrDefault("PyTorch." + operation, Double.NaN);
                tables.append(String.format(
                        " %s | %s | %s |",
                        Quantity.time(ours), Quantity.time(theirs), Quantity.number("%.1f", theirs / ours)));
            }
            tables.append('\n');
        });
    }

    static List<JsonNode> rows(JsonNode run) {
        return StreamSupport.stream(run.path("results").spliterator(), false).toList();
    }

    static String parameters(JsonNode row) {
        List<String> texts = new ArrayList<>();
        row.path("parameters")
                .properties()
                .forEach(each -> texts.add(each.getKey() + " " + each.getValue().asText()));
        return String.join(", ", texts);
    }
}
