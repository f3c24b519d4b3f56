package org.dpo4j.data;

import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * How rows become token ids.
 *
 * @param tokenizer of the model; null where it has none, and rows hold ids
 * @param vocabularySize rows of the model's embedding table: every id lies below it
 * @param maxLength most tokens of prompt and completion together; null for no limit
 * @param truncationMode how a longer row is cut; null: it is a row that cannot be used
 * @param onBadRow what a row that cannot be used does
 */
public record ReadOptions(
        @Nullable Tokenizer tokenizer,
        int vocabularySize,
        @Nullable Integer maxLength,
        @Nullable TruncationMode truncationMode,
        OnBadRow onBadRow) {

    public ReadOptions {
        if (maxLength != null && maxLength < 2) {
            throw new Dpo4jException(
                    "max_length is " + maxLength + "; a prompt and a completion need at least 2 tokens");
        }
    }
}
