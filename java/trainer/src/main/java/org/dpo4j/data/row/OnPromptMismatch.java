package org.dpo4j.data.row;

/** What to do if a chat template renders a prompt otherwise when an answer follows: {@code on_prompt_mismatch}. */
public enum OnPromptMismatch {
    /** The row cannot be used. */
    STOP("error"),
    /** The prompt is cut before the first token that differs, as in TRL; the tokens behind belong to the answer. */
    CUT("cut");

    private final String option;

    OnPromptMismatch(String option) {
        this.option = option;
    }

    /** The value of {@code on_prompt_mismatch}. */
    @Override
    public String toString() {
        return option;
    }
}
