package org.dpo4j.data;

/** What to do with a row that cannot be used: {@code on_bad_row}. */
public enum OnBadRow {
    /** The run ends with an error that names file, line and reason. */
    STOP("error"),
    /** The row is left out and counted under its reason. */
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
