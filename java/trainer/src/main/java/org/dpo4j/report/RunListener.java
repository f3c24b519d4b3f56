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

    /** What a person should know now: one line, such as which step the saved weights are from. */
    default void notice(String line) {}

    /**
     * Whether the run should end now. Asked between micro-batches and batches: a run that has trained saves its weights
     * and throws {@link java.util.concurrent.CancellationException}.
     */
    default boolean isCancelled() {
        return false;
    }

    /** The model cannot be saved, and why. Whether to try once more, as after space was made on the disk. */
    default boolean isSaveTriedAgain(String why) {
        return false;
    }
}
