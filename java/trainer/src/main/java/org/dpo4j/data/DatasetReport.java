package org.dpo4j.data;

import java.util.Map;

/**
 * What became of the rows of a file. {@link #toString} is one line for a run header.
 *
 * @param used rows that became token ids
 * @param skipped rows left out, by reason
 * @param truncated used rows of which a completion was cut to {@code max_length}
 * @param backedOff used rows in which the last tokens of the prompt merge with the completion's first, and count as completion
 */
public record DatasetReport(int used, Map<String, Integer> skipped, int truncated, int backedOff) {}
