package org.dpo4j.data;

/** What to do with a row that is too long. {@link Truncation} says what each mode keeps. */
public enum TruncationMode {
    /** Cuts the end of the completion, as TRL does. */
    KEEP_START("keep_start"),
    /** Cuts the start of the prompt, as TRL does. */
    KEEP_END("keep_end"),
    /** Cuts the end of the prompt and of the completion, as LLaMA-Factory does. */
    PROPORTIONAL("proportional"),
    /** Leaves the row out. */
    DROP("drop"),
    /** The row cannot be used: {@code on_bad_row} decides. */
    RAISE("raise");

    private final String option;

    TruncationMode(String option) {
        this.option = option;
    }

    /** Whether rows are cut. */
    public boolean isCut() {
        return this != DROP && this != RAISE;
    }

    /** The value of {@code truncation_mode}. */
    @Override
    public String toString() {
        return option;
    }
}
