package org.dpo4j.report;

/**
 * Receives events of a run, on the thread that trains, which goes on when the method returns. What a method throws ends the
 * run; {@link CombinedListener} adds listeners that cannot end it.
 *
 * <p>The order of events: {@code header}, {@code started}, then {@code metrics} and the others, {@code ended}. A run that
 * fails before its first step is neither started nor ended. {@code progress} and {@code notice} come at any time.
 */
@FunctionalInterface
public interface RunListener {

    /** Receives a line of metrics, as written to {@code metrics.jsonl}. */
    void metrics(Metrics metrics);

    /** Receives the facts of the run before its first pass. */
    default void header(RunHeader header) {}

    /** Receives samples of policy and reference after an evaluation, if {@code generate_during_eval} is true. */
    default void generations(Generations generations) {}

    /** Receives what the run begins with, when its first step is about to be trained. */
    default void started(RunStart start) {}

    /** Receives the end of a run that was started, after the model is saved or cannot be. */
    default void ended(RunEnd end) {}

    /**
     * Reports that {@code done} of {@code total} units of a phase are done. The first report of a phase has 0, unless the
     * phase is reported only because it takes long. {@code total} may change, if it is an estimate.
     */
    default void progress(String phase, long done, long total) {}

    /** Receives one line that the user should read now, such as which step the saved weights are from. */
    default void notice(String line) {}

    /** Receives a diagnosis. By default it is a notice. */
    default void diagnosis(Diagnosis diagnosis) {
        notice(diagnosis.toString());
    }

    /**
     * Whether the run should end now. It is called between micro-batches and between batches. A cancelled run saves its
     * weights if it has trained a step, and throws {@link java.util.concurrent.CancellationException}.
     */
    default boolean isCancelled() {
        return false;
    }

    /**
     * Whether to try again to save the model, for example after the user has freed disk space. {@code why} is the error
     * of the last attempt.
     */
    default boolean isSaveTriedAgain(String why) {
        return false;
    }
}
