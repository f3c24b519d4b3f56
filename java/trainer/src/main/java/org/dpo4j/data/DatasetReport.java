package org.dpo4j.data;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * How many rows of a file were used, cut and skipped.
 *
 * @param used rows converted to token ids
 * @param skipped skipped rows, by reason
 * @param truncated used rows with a completion cut to {@code max_length}
 * @param mergedPrompts used rows in which the tokenizer merges the end of the prompt with the start of the completion,
 *     so that the merged tokens belong to the completion
 * @param columnsUsed columns that were read, each with the number of used rows that have it
 * @param columnsNotUsed columns that were ignored, each with the number of used rows that have it
 */
public record DatasetReport(
        int used,
        Map<String, Integer> skipped,
        int truncated,
        int mergedPrompts,
        Map<String, Integer> columnsUsed,
        Map<String, Integer> columnsNotUsed) {

    /** Maximum number of columns named in a line. */
    private static final int MAX_COLUMNS = 30;

    /**
     * The lines of a report by name. {@code rows} names the line of row counts; {@code prefix} goes before the names of
     * the lines of columns used and not used.
     */
    public Map<String, String> facts(String rows, String prefix) {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put(rows, toString());
        if (!columnsUsed.isEmpty()) {
            facts.put(prefix + "columns used", counted(columnsUsed));
        }
        if (!columnsNotUsed.isEmpty()) {
            facts.put(prefix + "columns not used", counted(columnsNotUsed));
        }
        return facts;
    }

    private static String counted(Map<String, Integer> columns) {
        String named = columns.entrySet().stream()
                .limit(MAX_COLUMNS)
                .map(column ->
                        column.getKey() + " (" + column.getValue() + (column.getValue() == 1 ? " row)" : " rows)"))
                .collect(Collectors.joining(", "));
        return columns.size() <= MAX_COLUMNS ? named : named + ", and " + (columns.size() - MAX_COLUMNS) + " more";
    }

    /**
     * One line for a run header: {@code 1846 rows, 3 cut to max_length; skipped 8: identical sides 6, empty completion
     * 2}.
     */
    @Override
    public String toString() {
        StringBuilder line = new StringBuilder(used + " rows");
        if (truncated > 0) {
            line.append(", ").append(truncated).append(" cut to max_length");
        }
        if (mergedPrompts > 0) {
            line.append(", ").append(mergedPrompts).append(" whose prompt and completion share a token");
        }
        if (!skipped.isEmpty()) {
            int total = skipped.values().stream().mapToInt(Integer::intValue).sum();
            List<String> reasons = new ArrayList<>();
            skipped.forEach((reason, count) -> reasons.add(reason + " " + count));
            line.append("; skipped ").append(total).append(": ").append(String.join(", ", reasons));
        }
        return line.toString();
    }
}
