package org.dpo4j.data.row;

/**
 * How rows are read and encoded.
 *
 * @param columns renames and drops columns
 * @param templates render messages
 * @param onPromptMismatch what to do if the template renders a prompt otherwise when an answer follows
 * @param isAssistantOnly whether only what the template marks as generated is learnt
 */
public record RowOptions(
        ColumnMap columns, ChatTemplates templates, OnPromptMismatch onPromptMismatch, boolean isAssistantOnly) {

    /** Reads the columns that rows have, and no messages. */
    public static final RowOptions DEFAULT =
            new RowOptions(ColumnMap.NONE, ChatTemplates.NONE, OnPromptMismatch.STOP, false);

    /** The same, but only what the template marks as generated is learnt. */
    public RowOptions assistantOnly() {
        return new RowOptions(columns, templates, onPromptMismatch, true);
    }
}
