package org.dpo4j.data;

import org.dpo4j.kernels.Dpo4jException;

/** How a row longer than {@code max_length} is cut, if {@code truncation_mode} is set. The names are TRL's. */
public enum TruncationMode {
    /** Cuts the completion at its end. */
    KEEP_START("keep_start");

    private final String option;

    TruncationMode(String option) {
        this.option = option;
    }

    /** The mode that an option names. Throws, with advice, for any other name. */
    public static TruncationMode of(String option) {
        return switch (option) {
            case "keep_start" -> KEEP_START;
            case "keep_end" ->
                throw new Dpo4jException(
                        "truncation_mode keep_end is not supported (TRL has deprecated it): shorten prompts in the data, or"
                                + " set truncation_mode keep_start");
            default -> throw new Dpo4jException("truncation_mode " + option + " is unknown: use keep_start");
        };
    }

    /** The value of {@code truncation_mode}. */
    @Override
    public String toString() {
        return option;
    }
}
