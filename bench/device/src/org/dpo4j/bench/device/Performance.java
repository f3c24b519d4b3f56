package org.dpo4j.bench.device;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.dpo4j.kernels.Dpo4jException;

/** Writes the tables of PERFORMANCE.md from bench/results: {@code Performance PERFORMANCE.md RESULTS-DIRECTORY}. */
final class Performance {
    private static final String RUN = "DpoRun.";
    private static final String MODEL = "ModelRun.";

    private Performance() {}

    public static void main(String[] arguments) throws IOException {
        Path document = Path.of(arguments[0]);
        Path results = Path.of(arguments[1]);
        Files.writeString(document, written(Files.readString(document), results));
    }

    /** The document with new tables. */
    static String written(String document, Path results) throws IOException {
        StringBuilder tables = new StringBuilder();
        try (Stream<Path> files = Files.list(results)) {
            for (Path file : files.filter(each -> each.toString().endsWith(".json"))
                    .sorted()
                    .toList()) {
                JsonNode run = new ObjectMapper().readTree(file.toFile());
                if (run.path("pace").asText().equals("look")) {
                    throw new Dpo4jException(file + " has tiny sizes and is no measurement: delete it");
                }
                append(tables, file, run);
            }
        }
        Matcher place = Pattern.compile("(<!-- tables -->\n).*(<!-- end tables -->)", Pattern.DOTALL)
                .matcher(document);
        if (!place.find()) {
            throw new Dpo4jException("the document has no place for its tables: <!-- tables -->, <!-- end tables -->");
        }
        return place.replaceFirst("$1" + Matcher.quoteReplacement(tables.toString()) + "$2");
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
        List<JsonNode> rows =
                StreamSupport.stream(run.path("results").spliterator(), false).toList();
        if (run.has("facts")) {
            appendFacts(tables, run);
        } else if (rows.stream().anyMatch(row -> row.path("benchmark").asText().startsWith(RUN))) {
            appendRuns(tables, run.path("peer").asText(), rows);
        } else if (rows.stream().anyMatch(row -> row.path("benchmark").asText().startsWith(MODEL))) {
            appendModels(tables, run.path("peer").asText(), rows);
        } else {
            appendTimes(tables, rows);
        }
        tables.append('\n');
    }

    /** Numbers with their units, as a script wrote them. */
    private static void appendFacts(StringBuilder tables, JsonNode run) {
        tables.append("| ").append(run.path("benchmark").asText()).append(" | |\n| --- | --- |\n");
        run.path("facts")
                .properties()
                .forEach(fact -> tables.append("| ")
                        .append(fact.getKey())
                        .append(" | ")
                        .append(fact.getValue().asText())
                        .append(" |\n"));
    }

    /** One line per benchmark and shape: dpo4j's time, then the times of peers if there are any. */
    private static void appendTimes(StringBuilder tables, List<JsonNode> rows) {
        Map<String, StringBuilder> lines = new LinkedHashMap<>();
        Map<String, Double> ours = new LinkedHashMap<>();
        for (JsonNode row : rows) {
            String key = name(row) + " | " + Quantity.parameters(row);
            double median = row.path("median_us").asDouble();
            if (peer(row).isEmpty()) {
                ours.put(key, median);
                lines.computeIfAbsent(key, line -> new StringBuilder("| " + line))
                        .append(" | ")
                        .append(Quantity.times(row))
                        .append(row.has(Results.GATE_FAILED) ? " (gate failed: the result is wrong)" : "")
                        .append(" | ")
                        .append(
                                row.has("elements")
                                        ? Quantity.number(
                                                "%.2f", row.path("elements").asLong() / median / 1e3)
                                        : "")
                        .append(" | ");
            } else {
                double ratio = row.path("times_ours").asDouble(median / ours.getOrDefault(key, Double.NaN));
                lines.computeIfAbsent(key, line -> new StringBuilder("| " + line + " | | | "))
                        .append(peer(row) + " " + Quantity.time(median) + Quantity.number(" (%.1f times) ", ratio));
            }
        }
        boolean hasPeers = rows.stream().anyMatch(row -> !peer(row).isEmpty());
        tables.append("| benchmark | parameters | median (p20 to p80) | 10^9 elements/s |")
                .append(hasPeers ? " peers, times as long |\n| --- |" : "\n|")
                .append(" --- | --- | --- | --- |\n");
        lines.values()
                .forEach(line ->
                        tables.append(hasPeers ? line + "|\n" : line.toString().strip() + "\n"));
    }

    /**
     * The name of a row's benchmark. In results of earlier commits PyTorch's rows begin with {@code PyTorch.}, and
     * those of dpo4j with the Java class, {@code TokenLogProb.}.
     */
    private static String name(JsonNode row) {
        return row.path("benchmark").asText().replaceFirst("^PyTorch\\.", "TokenLogProb.");
    }

    private static String peer(JsonNode row) {
        return row.path("benchmark").asText().startsWith("PyTorch.")
                ? "PyTorch"
                : row.path("peer").asText();
    }

    /** Whole DPO runs, of {@code bench/peers/dpo_runs.py}: a peer's line ends with our numbers for the same parameters divided by its own. */
    private static void appendRuns(StringBuilder tables, String peer, List<JsonNode> rows) {
        List<JsonNode> runs =
                rows.stream().filter(row -> row.has("steps_pairs_per_second")).toList();
        if (!runs.isEmpty()) {
            tables.append(
                            "| whole DPO runs, medians | pairs/s, steps alone | pairs/s, whole run | peak memory | dpo4j / ")
                    .append(peer)
                    .append(": steps, run, memory |\n| --- | --- | --- | --- | --- |\n");
        }
        for (JsonNode row : runs) {
            String name = run(row).replace("TRL", peer);
            tables.append(String.format(
                    "| %s, %s | %s | %s | %s MiB | %s |%n",
                    name,
                    Quantity.parameters(row),
                    Quantity.number("%.1f", row.path("steps_pairs_per_second").asDouble()),
                    Quantity.number("%.1f", row.path("run_pairs_per_second").asDouble()),
                    Quantity.number("%.0f", row.path("peak_mebibytes").asDouble()),
                    run(row).startsWith("dpo4j") ? "" : ratios(ours(runs, row), row)));
        }
        rows.stream().filter(row -> !runs.contains(row)).forEach(row -> appendFinding(tables, peer, row));
    }

    private static String run(JsonNode row) {
        return row.path("benchmark").asText().substring(RUN.length());
    }

    /** Our run with the parameters of another. */
    private static JsonNode ours(List<JsonNode> runs, JsonNode row) {
        return runs.stream()
                .filter(each ->
                        run(each).equals("dpo4j") && each.path("parameters").equals(row.path("parameters")))
                .findFirst()
                .orElseThrow();
    }

    private static String ratios(JsonNode ours, JsonNode row) {
        return String.join(
                ", ",
                ratio("%.1f", "steps_pairs_per_second", ours, row),
                ratio("%.1f", "run_pairs_per_second", ours, row),
                ratio("%.2f", "peak_mebibytes", ours, row));
    }

    /** A sentence on what a script found beside whole runs. */
    private static void appendFinding(StringBuilder tables, String peer, JsonNode row) {
        String parameters = Quantity.parameters(row);
        tables.append(
                row.has("max_difference")
                        ? String.format(
                                "%nLosses of dpo4j and %s on the same batches, %s: the largest difference of a step is %s.%n",
                                peer,
                                parameters,
                                Quantity.number(
                                        "%.1e", row.path("max_difference").asDouble()))
                        : String.format(
                                "%nA checkpoint every 50 steps, %s, rounds %d: the run takes %s of its time more, and %s of its"
                                        + " processor time.%n",
                                parameters,
                                row.path("samples").asInt(),
                                more(row, "run_seconds"),
                                more(row, "processor_seconds")));
    }

    /** By how much a run with checkpoints needs more than one without. */
    private static String more(JsonNode row, String kind) {
        double ratio = row.path("with_" + kind).asDouble()
                / row.path("without_" + kind).asDouble();
        return Quantity.number("%.1f %%", 100 * (ratio - 1));
    }

    /** Training and generation, of {@code bench/peers/model_runs.py}: a row has both rates. */
    private static void appendModels(StringBuilder tables, String peer, List<JsonNode> rows) {
        tables.append("| training and generation, medians | tokens/s, dpo4j | tokens/s, ")
                .append(peer)
                .append(
                        " | times as fast | bf16 weights, times as fast as fp32 | weights read, of a plain read | peak memory,"
                                + " of the peer's |\n")
                .append("| --- | --- | --- | --- | --- | --- | --- |\n");
        for (JsonNode row : rows) {
            tables.append(String.format(
                    "| %s, %s, rounds %d | %s | %s | %s | %s | %s | %s |%n",
                    row.path("benchmark").asText().substring(MODEL.length()),
                    Quantity.parameters(row),
                    row.path("samples").asInt(),
                    Quantity.number("%.0f", row.path("dpo4j_tokens_per_second").asDouble()),
                    Quantity.number(
                            "%.0f", row.path("transformers_tokens_per_second").asDouble()),
                    Quantity.number("%.2f", row.path("times_as_fast").asDouble()),
                    ratioIfMeasured(row, "bf16_times_as_fast"),
                    ratioIfMeasured(row, "part_of_read_bandwidth"),
                    ratioIfMeasured(row, "memory")));
        }
    }

    private static String ratioIfMeasured(JsonNode row, String name) {
        return row.has(name) ? Quantity.number("%.2f", row.path(name).asDouble()) : "";
    }

    private static String ratio(String format, String name, JsonNode ours, JsonNode theirs) {
        return Quantity.number(
                format, ours.path(name).asDouble() / theirs.path(name).asDouble());
    }
}
