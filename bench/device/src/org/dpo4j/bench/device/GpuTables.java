package org.dpo4j.bench.device;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** A run on a GPU: ours beside the roofline of the same rounds, others beside ours, and what did not run. */
final class GpuTables {
    private GpuTables() {}

    static void append(StringBuilder tables, JsonNode run) {
        tables.append(String.format(
                "Driver %s, pace %s, clocks and power from: %s. Ratio: of the roofline that took turns with it.%n%n",
                run.path("driver").asText(),
                run.path("pace").asText(),
                run.path("machine_state").asText()));
        tables.append("""
                | benchmark | parameters | median (p20 to p80) | rate | ratio | burst | sustained | MHz, W |
                | --- | --- | --- | --- | --- | --- | --- | --- |
                """);
        List<JsonNode> rows = Performance.rows(run);
        rows.stream().filter(row -> !row.has("peer")).forEach(row -> appendRow(tables, row));
        appendPeers(tables, run, rows);
        appendAbsent(tables, "not run", run.path("not_run"));
        appendAbsent(tables, "failed", run.path("failed"));
        for (JsonNode row : rows) {
            if (row.has(Results.GATE_FAILED)) {
                tables.append(String.format(
                        "* gate failed, time of a wrong result: %s, %s: %s%n",
                        row.path("benchmark").asText(),
                        Performance.parameters(row),
                        row.path(Results.GATE_FAILED).asText()));
            }
        }
    }

    private static void appendRow(StringBuilder tables, JsonNode row) {
        tables.append(String.format(
                "| %s | %s | %s | %s | %s | %s | %s | %s |%n",
                row.path("benchmark").asText() + (row.has(Results.GATE_FAILED) ? " (gate failed)" : ""),
                Performance.parameters(row),
                Quantity.times(row),
                rate(row),
                row.has("ratio")
                        ? Quantity.field(row, "ratio", "%.3f") + " of "
                                + row.path("roofline").asText()
                        : "",
                Quantity.time(row.path("burst_us").asDouble()),
                Quantity.time(row.path("sustained_us").asDouble()),
                row.has("sm_mhz")
                        ? Quantity.field(row, "sm_mhz", "%.0f") + ", " + Quantity.field(row, "watts", "%.0f")
                        : ""));
    }

    private static String rate(JsonNode row) {
        if (row.has("pairs_per_second")) {
            return Quantity.field(row, "pairs_per_second", "%.2f pairs/s, ")
                    + Quantity.field(row, "tokens_per_second", "%.0f tokens/s, MFU ")
                    + Quantity.field(row, "mfu_of_989_tflops", "%.3f");
        }
        if (row.has("graph_node_us")) {
            return "in a graph " + Quantity.time(row.path("graph_node_us").asDouble());
        }
        return row.has("tflops")
                ? Quantity.field(row, "tflops", "%.0f TFLOP/s")
                : Quantity.field(row, "gigabytes_per_second", "%.0f GB/s");
    }

    /** A line for each benchmark that some other library ran too, a column for each library. */
    private static void appendPeers(StringBuilder tables, JsonNode run, List<JsonNode> rows) {
        Map<String, Map<String, JsonNode>> lines = new LinkedHashMap<>();
        Set<String> names = new LinkedHashSet<>();
        for (JsonNode row : rows) {
            if (row.has("peer")) {
                String line = row.path("benchmark").asText() + " | " + Performance.parameters(row);
                names.add(row.path("peer").asText());
                lines.computeIfAbsent(line, key -> new LinkedHashMap<>())
                        .put(row.path("peer").asText(), row);
            }
        }
        if (!names.isEmpty()) {
            tables.append(
                    "\nOthers' medians, and how many times as long as ours in the same rounds:\n\n| benchmark | parameters |");
            names.forEach(name -> tables.append(' ').append(name).append(" |"));
            tables.append("\n| --- | --- |")
                    .append(" --- |".repeat(names.size()))
                    .append('\n');
            lines.forEach((line, of) -> {
                tables.append("| ").append(line).append(" |");
                for (String name : names) {
                    JsonNode row = of.get(name);
                    tables.append(' ')
                            .append(
                                    row == null
                                            ? ""
                                            : Quantity.time(row.path("median_us")
                                                            .asDouble()) + ", "
                                                    + Quantity.field(row, "times_ours", "%.2f"))
                            .append(" |");
                }
                tables.append('\n');
            });
        }
        run.path("peers")
                .properties()
                .forEach(each -> tables.append("\n* ")
                        .append(each.getKey())
                        .append(": ")
                        .append(each.getValue().asText()));
        tables.append('\n');
    }

    private static void appendAbsent(StringBuilder tables, String what, JsonNode list) {
        for (JsonNode row : list) {
            tables.append(String.format(
                    "* %s: %s%s, %s: %s%n",
                    what,
                    row.path("benchmark").asText(),
                    row.has("peer") ? " by " + row.path("peer").asText() : "",
                    Performance.parameters(row),
                    row.path("reason").asText()));
        }
    }
}
