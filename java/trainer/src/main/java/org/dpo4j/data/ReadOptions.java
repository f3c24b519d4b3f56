package org.dpo4j.data;

import org.dpo4j.data.row.RowOptions;
import org.jspecify.annotations.Nullable;

/**
 * How rows become token ids.
 *
 * @param tokenizer the model's tokenizer; null if it has none, and rows must hold ids
 * @param vocabularySize rows of the model's embedding table; every id must be below it
 * @param truncation which tokens of long rows are kept
 * @param onBadRow what to do with a row that cannot be used
 * @param rows how rows are read and encoded
 */
public record ReadOptions(
        @Nullable Tokenizer tokenizer, int vocabularySize, Truncation truncation, OnBadRow onBadRow, RowOptions rows) {

    /** Reads rows with the columns that they have, and without a chat template. */
    public ReadOptions(@Nullable Tokenizer tokenizer, int vocabularySize, Truncation truncation, OnBadRow onBadRow) {
        this(tokenizer, vocabularySize, truncation, onBadRow, RowOptions.DEFAULT);
    }
}
