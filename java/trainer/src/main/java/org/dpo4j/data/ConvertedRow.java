package org.dpo4j.data;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Set;
import org.dpo4j.data.row.RowFormat;
import org.dpo4j.data.source.BadRow;
import org.jspecify.annotations.Nullable;

/**
 * A row after conversion: what it is in token ids, or why it cannot be used.
 *
 * @param number line of the file, or element of a JSON array, counted from 1
 * @param values the row as read; null if it is malformed
 * @param format its format; null if it has none
 * @param used its pairs or sequences; empty if it cannot be used
 * @param fingerprints that of each
 * @param isPromptMerged whether the end of the prompt merged with a completion
 * @param cutParts the parts that were cut: prompt, completion, chosen, rejected
 * @param hasEmptyAnswer whether an answer is a message without text
 * @param bad why it cannot be used; null if it can
 */
record ConvertedRow<T>(
        int number,
        @Nullable ObjectNode values,
        @Nullable RowFormat format,
        List<T> used,
        List<Fingerprint> fingerprints,
        boolean isPromptMerged,
        Set<String> cutParts,
        boolean hasEmptyAnswer,
        @Nullable BadRow bad) {

    static <T> ConvertedRow<T> bad(int number, @Nullable ObjectNode values, @Nullable RowFormat format, BadRow bad) {
        return new ConvertedRow<>(number, values, format, List.of(), List.of(), false, Set.of(), false, bad);
    }
}
