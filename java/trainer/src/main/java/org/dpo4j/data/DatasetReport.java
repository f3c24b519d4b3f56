package org.dpo4j.data;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * What became of the rows of a file.
 *
 * @param used rows that became token ids
 * @param skipped rows left out, by reason
 * @param truncated used rows of which a completion was cut to {@code max_length}
 * @param backedOff used rows in which the last tokens of the prompt merge with the completion's first, and count as
 *     completion
 */
public record DatasetReport(int used, Map<String, Integer> skipped, int truncated, int backedOff) {

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
