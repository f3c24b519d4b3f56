package org.dpo4j.data;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * What became of the rows of a file.
 *
 * @param used rows that became token ids
 * @param skipped rows left out, by reason
 * @param truncated used rows of which a completion was cut to {@code max_length}
 * @param backedOff used rows in which the last tokens of the prompt merge with the completion's first, and count as
 *     completion
 * @param columnsUsed columns that the rows were read from, and in how many used rows each is there
 * @param columnsNotUsed columns that were read past, likewise
 */
public record DatasetReport(
        int used,
        Map<String, Integer> skipped,
        int truncated,
        int backedOff,
        Map<String, Integer> columnsUsed,
        Map<String, Integer> columnsNotUsed) {

    /** Names of columns that a line has room for. */
    private static final int MAX_COLUMNS = 30;

    /**
     * The lines of a report by name: what became of the {@code rows}, and which columns were used and which were not,
     * their names behind {@code prefix}.
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
        if (backedOff > 0) {
            line.append(", ").append(backedOff).append(" whose prompt and completion share a token");
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
