package org.dpo4j.report;

/** Hears of a run as it goes. Called on the thread that trains. */
@FunctionalInterface
public interface RunListener {

    /** A line of metrics, as written to {@code metrics.jsonl}. */
    void metrics(Metrics metrics);

    /** Before anything is computed: what will be. */
    default void header(RunHeader header) {}

    /** {@code done} of {@code total} units of a phase are done, 0 when it begins. */
    default void progress(String phase, long done, long total) {}
}
