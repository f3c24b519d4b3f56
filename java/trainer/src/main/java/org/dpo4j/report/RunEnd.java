package org.dpo4j.report;

import org.jspecify.annotations.Nullable;

/**
 * How a run ended.
 *
 * @param status whether all steps were trained
 * @param step the step that produced the weights; -1 if it is unknown
 * @param reason the error of a failed run in one line; null if there is none
 */
public record RunEnd(Status status, int step, @Nullable String reason) {

    /** Ways in which a run ends. */
    public enum Status {
        /** All steps were trained, and the model was saved. */
        COMPLETED("completed"),
        /** The user or the listener ended it. */
        CANCELLED("stopped early"),
        /** An error ended it. */
        FAILED("failed");

        private final String words;

        Status(String words) {
            this.words = words;
        }

        /** The status in words. */
        @Override
        public String toString() {
            return words;
        }
    }
}
