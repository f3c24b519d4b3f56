package org.dpo4j.bench.device;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;

/** The table of whole DPO runs beside a peer's, from the results of {@code bench/peers/dpo_runs.py}. */
final class DpoRunTables {
    private static final String PREFIX = "DpoRun.";
    private static final String OURS = PREFIX + "dpo4j";

    private DpoRunTables() {}

    /** Whether these are results of such runs. */
    static boolean isOf(JsonNode run) {
        return Performance.rows(run).stream()
                .anyMatch(row -> row.path("benchmark").asText().startsWith(PREFIX));
    }

    /** A line for each run; a peer's ends with our numbers divided by its own, under its version. */
    static void append(StringBuilder tables, JsonNode run) {
        String peer = run.path("peer").asText();
        List<JsonNode> rows = Performance.rows(run);
        JsonNode ours = rows.stream()
                .filter(row -> row.path("benchmark").asText().equals(OURS))
                .findFirst()
                .orElseThrow();
        tables.append("| whole DPO runs, medians | pairs/s, steps alone | pairs/s, whole run | peak memory | dpo4j / ")
                .append(peer)
                .append(": steps, run, memory |\n| --- | --- | --- | --- | --- |\n");
        for (JsonNode row : rows) {
            tables.append(String.format(
                    "| %s, %s | %s | %s | %s MiB | %s |%n",
                    name(row, peer),
                    Performance.parameters(row),
                    Quantity.number("%.1f", row.path("steps_pairs_per_second").asDouble()),
                    Quantity.number("%.1f", row.path("run_pairs_per_second").asDouble()),
                    Quantity.number("%.0f", row.path("peak_mebibytes").asDouble()),
                    row == ours ? "" : ratios(ours, row)));
        }
    }

    private static String name(JsonNode row, String peer) {
        return row.path("benchmark").asText().substring(PREFIX.length()).replace("TRL", peer);
    }

    private static String ratios(JsonNode ours, JsonNode theirs) {
        return ratio("%.1f", "steps_pairs_per_second", ours, theirs)
                + ", " + ratio("%.1f", "run_pairs_per_second", ours, theirs)
                + ", " + ratio("%.2f", "peak_mebibytes", ours, theirs);
    }

    private static String ratio(String format, String name, JsonNode ours, JsonNode theirs) {
        return Quantity.number(
                format, ours.path(name).asDouble() / theirs.path(name).asDouble());
    }
}
