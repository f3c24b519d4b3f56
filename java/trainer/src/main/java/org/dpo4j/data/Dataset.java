package org.dpo4j.data;

import java.nio.file.Path;
import java.util.List;

/**
 * The rows of a file as token ids, in file order.
 *
 * @param rows at least one
 * @param report what was left out, cut or moved
 */
public record Dataset<T>(List<T> rows, DatasetReport report) {

    /**
     * Reads pairs: {@code prompt, chosen, rejected} as text or as {@code _ids}, or transcripts {@code chosen,
     * rejected}.
     */
    public static Dataset<PreferencePair> pairs(Path file, ReadOptions options) {
        return new DatasetReader(file, options).pairs();
    }

    /** Whether the file holds pairs: whether its first row that is JSON has {@code chosen} or {@code chosen_ids}. */
    public static boolean holdsPairs(Path file) {
        return DatasetReader.holdsPairs(file);
    }

    /**
     * Reads sequences: {@code text}, {@code prompt, completion}, {@code ids}, or {@code prompt_ids, completion_ids}.
     */
    public static Dataset<Sequence> sequences(Path file, ReadOptions options) {
        return new DatasetReader(file, options).sequences();
    }
}
