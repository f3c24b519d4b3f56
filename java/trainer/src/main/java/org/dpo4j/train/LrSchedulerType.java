package org.dpo4j.train;

/** Schedule of the learning rate over a run, under the names of transformers' {@code SchedulerType}. */
public enum LrSchedulerType {
    /** Warm-up, then a straight line to 0. */
    LINEAR("linear"),
    /** Warm-up, then half a cosine to 0. */
    COSINE("cosine"),
    /** The peak rate from the first step on; warm-up is refused. */
    CONSTANT("constant"),
    /** Warm-up, then the peak rate. */
    CONSTANT_WITH_WARMUP("constant_with_warmup");

    private final String option;

    LrSchedulerType(String option) {
        this.option = option;
    }

    /** The value of {@code lr_scheduler_type}. */
    @Override
    public String toString() {
        return option;
    }
}
