package org.dpo4j.data;

/** What a row that cannot be used does: {@code on_bad_row}. */
public enum OnBadRow {
    /** Ends the run with the file, the line and the reason. */
    STOP("error"),
    /** Is left out, and counted under its reason. */
    SKIP("skip");

    private final String option;

    OnBadRow(String option) {
        this.option = option;
    }

    /** The value of {@code on_bad_row}. */
    @Override
    public String toString() {
        return option;
    }
}
