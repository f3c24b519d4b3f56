package org.dpo4j.data;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.dpo4j.data.source.BadRow;

/**
 * How many rows of a data set were used, cut and left out, and which were the first of each.
 *
 * @param used rows converted to token ids, without those left out; a row with several pairs counts once for each
 * @param cutRows used rows that were cut
 * @param mergedPrompts used rows in which the tokenizer merges the end of the prompt with the start of the completion,
 *     so that the merged tokens belong to the completion
 * @param cut used rows that were cut, by the part that was: prompt, completion, chosen or rejected
 * @param skipped rows left out, by reason
 * @param noted used rows that something else holds for, such as being there twice
 * @param columnsUsed columns that were read, each with the number of used rows that have it
 * @param columnsNotUsed columns that were ignored, each with the number of used rows that have it
 */
public record DatasetReport(
        int used,
        int cutRows,
        int mergedPrompts,
        Map<String, RowCount> cut,
        Map<String, RowCount> skipped,
        Map<String, RowCount> noted,
        Map<String, Integer> columnsUsed,
        Map<String, Integer> columnsNotUsed) {

    /** Maximum number of columns named in a line. */
    private static final int MAX_COLUMNS = 30;

    /** Why rows are left out because of their length. */
    private static final List<BadRow.Reason> TOO_LONG = List.of(BadRow.Reason.PROMPT_TOO_LONG, BadRow.Reason.TOO_LONG);

    /** Share of rows that are cut, or left out for their length, above which {@link #warning} says so. */
    private static final double MAX_CUT_SHARE = 0.2;

    public DatasetReport {
        cut = Collections.unmodifiableMap(new LinkedHashMap<>(cut));
        skipped = Collections.unmodifiableMap(new LinkedHashMap<>(skipped));
        noted = Collections.unmodifiableMap(new LinkedHashMap<>(noted));
        columnsUsed = Collections.unmodifiableMap(new LinkedHashMap<>(columnsUsed));
        columnsNotUsed = Collections.unmodifiableMap(new LinkedHashMap<>(columnsNotUsed));
    }

    /** Of rows that are all used, as they are. */
    static DatasetReport whole(int used, Map<String, Integer> columnsUsed, Map<String, Integer> columnsNotUsed) {
        return new DatasetReport(used, 0, 0, Map.of(), Map.of(), Map.of(), columnsUsed, columnsNotUsed);
    }

    /**
     * The lines of a report by name. {@code rows} names the table of row counts; {@code prefix} goes before the names
     * of the lines of columns used and not used.
     */
    public Map<String, String> facts(String rows, String prefix) {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put(rows, String.join("\n", table()));
        if (!columnsUsed.isEmpty()) {
            facts.put(prefix + "columns used", counted(columnsUsed));
        }
        if (!columnsNotUsed.isEmpty()) {
            facts.put(prefix + "columns not used", counted(columnsNotUsed));
        }
        return facts;
    }

    /** The summary, then a line for each part that was cut, each reason to leave rows out, and each note. */
    public List<String> table() {
        List<String[]> cells = new ArrayList<>();
        cut.forEach((part, count) -> cells.add(cells("cut: " + part, count)));
        skipped.forEach((reason, count) -> cells.add(cells("left out: " + reason, count)));
        noted.forEach((what, count) -> cells.add(cells(what, count)));
        int[] widths = IntStream.range(0, 3)
                .map(column -> cells.stream()
                        .mapToInt(row -> row[column].length())
                        .max()
                        .orElse(0))
                .toArray();
        List<String> lines = new ArrayList<>();
        lines.add(toString());
        for (String[] row : cells) {
            lines.add(row[0] + " ".repeat(widths[0] - row[0].length()) + padded(row[1], widths[1])
                    + padded(row[2], widths[2]) + "  " + row[3]);
        }
        return lines;
    }

    private String[] cells(String what, RowCount count) {
        String share = String.format(Locale.ROOT, "%.1f %%", 100.0 * count.rows() / Math.max(1, total()));
        return new String[] {what, Integer.toString(count.rows()), share, count.places()};
    }

    private static String padded(String text, int width) {
        return " ".repeat(width + 2 - text.length()) + text;
    }

    private int total() {
        return used + skippedRows();
    }

    private int skippedRows() {
        return skipped.values().stream().mapToInt(RowCount::rows).sum();
    }

    /** A line that the user should read before the run goes on; {@code rows} names the data set. */
    public Optional<String> warning(String rows) {
        int leftOut = TOO_LONG.stream()
                .map(reason -> skipped.get(reason.toString()))
                .mapToInt(count -> count == null ? 0 : count.rows())
                .sum();
        if (cutRows + leftOut <= MAX_CUT_SHARE * total()) {
            return Optional.empty();
        }
        return Optional.of(String.format(
                Locale.ROOT,
                "%.0f%% of the %s are too long (%,d cut, %,d left out, of %,d); raise max_length",
                100.0 * (cutRows + leftOut) / total(),
                rows,
                cutRows,
                leftOut,
                total()));
    }

    private static String counted(Map<String, Integer> columns) {
        String named = columns.entrySet().stream()
                .limit(MAX_COLUMNS)
                .map(column ->
                        column.getKey() + " (" + column.getValue() + (column.getValue() == 1 ? " row)" : " rows)"))
                .collect(Collectors.joining(", "));
        return columns.size() <= MAX_COLUMNS ? named : named + ", and " + (columns.size() - MAX_COLUMNS) + " more";
    }

    /** One line: {@code 1846 rows, 3 cut to max_length; skipped 8: identical sides 6, empty completion 2}. */
    @Override
    public String toString() {
        StringBuilder line = new StringBuilder(used + " rows");
        if (cutRows > 0) {
            line.append(", ").append(cutRows).append(" cut to max_length");
        }
        if (mergedPrompts > 0) {
            line.append(", ").append(mergedPrompts).append(" whose prompt and completion share a token");
        }
        if (!skipped.isEmpty()) {
            List<String> reasons = new ArrayList<>();
            skipped.forEach((reason, count) -> reasons.add(reason + " " + count.rows()));
            line.append("; skipped ").append(skippedRows()).append(": ").append(String.join(", ", reasons));
        }
        return line.toString();
    }
}
