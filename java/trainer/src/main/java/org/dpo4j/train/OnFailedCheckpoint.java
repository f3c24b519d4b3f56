package org.dpo4j.train;

/** What to do when a checkpoint cannot be written, for example because the disk is full: {@code on_failed_checkpoint}. */
public enum OnFailedCheckpoint {
    /** The run ends with an error, after it has saved the model of its last step. */
    STOP("error"),
    /** Training goes on, and the next checkpoint is tried when it is due. */
    CONTINUE("continue");

    private final String option;

    OnFailedCheckpoint(String option) {
        this.option = option;
    }

    /** The value of {@code on_failed_checkpoint}. */
    @Override
    public String toString() {
        return option;
    }
}
