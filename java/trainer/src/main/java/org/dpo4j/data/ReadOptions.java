package org.dpo4j.data;

import org.dpo4j.data.row.RowOptions;
import org.jspecify.annotations.Nullable;

/**
 * How rows become token ids.
 *
 * @param tokenizer the model's tokenizer; null if it has none, and rows must hold ids
 * @param vocabularySize rows of the model's embedding table; every id must be below it
 * @param truncation which tokens of long rows are kept
 * @param repeats which rows that say what an earlier one says are left out
 * @param onBadRow what to do with a row that cannot be used
 * @param rows how rows are read and encoded
 * @param rejected receives the rows that are left out; null: nothing does
 */
public record ReadOptions(
        @Nullable Tokenizer tokenizer,
        int vocabularySize,
        Truncation truncation,
        RepeatOptions repeats,
        OnBadRow onBadRow,
        RowOptions rows,
        @Nullable RejectedRows rejected) {

    /**
     * Reads rows with the columns that they have, and without a chat template. Uses repeated rows, and writes no file of
     * rows that are left out.
     */
    public ReadOptions(@Nullable Tokenizer tokenizer, int vocabularySize, Truncation truncation, OnBadRow onBadRow) {
        this(tokenizer, vocabularySize, truncation, RepeatOptions.NONE, onBadRow, RowOptions.DEFAULT, null);
    }

    /** The same, but only what the chat template marks as generated is learnt. */
    public ReadOptions assistantOnly() {
        return new ReadOptions(
                tokenizer, vocabularySize, truncation, repeats, onBadRow, rows.assistantOnly(), rejected);
    }
}
