package org.dpo4j.data.stats;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Statistics as lines for a terminal. */
public final class StatisticsText {
    private static final String[] QUANTILES = {"min", "p50", "p90", "p99", "max", "mean"};
    private static final String CELL = " %8s";

    private StatisticsText() {}

    /** Lines by name; a text may have several. {@code columns}: width of the terminal. */
    public static Map<String, String> lines(DatasetStatistics statistics, int columns) {
        Map<String, String> lines = new LinkedHashMap<>(statistics.facts());
        List<String> table = new ArrayList<>();
        table.add(row("", List.of(QUANTILES)));
        statistics.lengths().forEach((name, lengths) -> table.add(row(name, cells(lengths))));
        lines.put("lengths in " + statistics.unit(), String.join("\n", table));
        lines.put("histogram of total", String.join("\n", histogram(statistics.total(), columns / 2)));
        return lines;
    }

    private static String row(String name, List<String> cells) {
        StringBuilder row = new StringBuilder(String.format(Locale.ROOT, "%-10s", name));
        cells.forEach(cell -> row.append(String.format(Locale.ROOT, CELL, cell)));
        return row.toString();
    }

    /** The cells of {@link #QUANTILES}. */
    static List<String> cells(Lengths lengths) {
        List<String> cells = new ArrayList<>();
        for (int value : new int[] {
            lengths.min(), lengths.quantile(0.5), lengths.quantile(0.9), lengths.quantile(0.99), lengths.max()
        }) {
            cells.add(Integer.toString(value));
        }
        cells.add(String.format(Locale.ROOT, "%.1f", lengths.mean()));
        return cells;
    }

    /** The names of {@link #cells}. */
    static List<String> names() {
        return List.of(QUANTILES);
    }

    private static List<String> histogram(Lengths lengths, int width) {
        int max = 1;
        for (Lengths.Bin bin : lengths.histogram()) {
            max = Math.max(max, bin.rows());
        }
        List<String> lines = new ArrayList<>();
        for (Lengths.Bin bin : lengths.histogram()) {
            int bar = (int) Math.ceil((double) width * bin.rows() / max);
            lines.add(String.format(Locale.ROOT, "%7d-%-7d %s %d", bin.from(), bin.to(), "#".repeat(bar), bin.rows()));
        }
        return lines;
    }
}
