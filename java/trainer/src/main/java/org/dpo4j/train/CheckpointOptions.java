package org.dpo4j.train;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** When a run writes checkpoints, how many it keeps, and from which one it goes on. */
public final class CheckpointOptions extends OptionGroup {

    /** When to write a checkpoint. */
    @Option(
            names = "--save_strategy",
            description =
                    "When to write a checkpoint: ${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}. best: after each"
                            + " evaluation whose metric_for_best_model is the best so far.")
    SaveStrategy saveStrategy = SaveStrategy.STEPS;

    /** Steps between checkpoints; a value below 1 is a share of all steps, rounded up. */
    @Option(
            names = "--save_steps",
            description = "Steps between checkpoints; a number below 1 is a share of all steps; default 500.")
    double saveSteps = 500;

    /** Number of checkpoints to keep; null: all. */
    @Option(names = "--save_total_limit", description = "Checkpoints to keep, the newest; default all.")
    @Nullable
    Integer saveTotalLimit;

    /** Whether checkpoints hold only the model, so that no run can go on from them. */
    @Option(
            names = "--save_only_model",
            arity = "0..1",
            fallbackValue = "true",
            description = "Leave the state of the optimizer out of checkpoints. A run cannot go on from them.")
    boolean saveOnlyModel = false;

    /** What to do when a checkpoint cannot be written. */
    @Option(
            names = "--on_failed_checkpoint",
            description = "If a checkpoint cannot be written, because the disk is full for example: error ends the run"
                    + " and saves its model, continue trains on and tries the next one; default ${DEFAULT-VALUE}.")
    OnFailedCheckpoint onFailedCheckpoint = OnFailedCheckpoint.STOP;

    /** {@code true}: the newest checkpoint of output_dir; a path: that checkpoint; null or {@code false}: none. */
    @Option(
            names = "--resume_from_checkpoint",
            description = "true: go on from the newest checkpoint of output_dir; a path: from that checkpoint.")
    @Nullable
    String resumeFromCheckpoint;

    /** Whether the run goes on from a checkpoint. */
    boolean isResumed() {
        return resumeFromCheckpoint != null && !resumeFromCheckpoint.equalsIgnoreCase("false");
    }

    /** The checkpoint that is named; null for the newest one. */
    @Nullable
    Path named() {
        return resumeFromCheckpoint == null || resumeFromCheckpoint.equalsIgnoreCase("true")
                ? null
                : Path.of(resumeFromCheckpoint);
    }
}
