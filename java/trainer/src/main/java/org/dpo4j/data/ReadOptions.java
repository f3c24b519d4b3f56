package org.dpo4j.data;

import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * How rows become token ids.
 *
 * @param tokenizer the model's tokenizer; null if it has none, and rows must hold ids
 * @param vocabularySize rows of the model's embedding table; every id must be below it
 * @param maxLength maximum tokens of prompt and completion together; null for no limit
 * @param truncationMode how a longer row is cut; null: a longer row cannot be used
 * @param onBadRow what to do with a row that cannot be used
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
