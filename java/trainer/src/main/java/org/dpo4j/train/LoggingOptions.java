package org.dpo4j.train;

import java.nio.file.Path;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Lines of metrics, and evaluations. */
public final class LoggingOptions extends OptionGroup {

    /** Steps between lines of metrics; below 1 a share of all steps, rounded up. */
    @Option(
            names = "--logging_steps",
            description = "Steps between lines of metrics; a number below 1 is a share of all steps; default 10.")
    double loggingSteps = 10;

    /** File of evaluation rows, or null. */
    @Option(names = "--eval_dataset", description = "Evaluation rows, a file of the same kinds.")
    @Nullable
    Path evalDataset;

    /** When the evaluation data is read; null: at {@code evalSteps}, where they are given. */
    @Option(
            names = "--eval_strategy",
            description =
                    "no evaluates after the last step only, steps also every eval_steps; default steps if eval_steps"
                            + " is given, else no.")
    @Nullable
    EvalStrategy evalStrategy;

    /** Steps between evaluations; below 1 a share of all steps, rounded up; null: {@code loggingSteps}. */
    @Option(
            names = "--eval_steps",
            description = "Steps between evaluations; a number below 1 is a share of all steps; default logging_steps.")
    @Nullable
    Double evalSteps;

    EvalStrategy strategy() {
        if (evalStrategy == EvalStrategy.NO && evalSteps != null) {
            throw new Dpo4jException("eval_steps is given but eval_strategy is no; leave one out");
        }
        if (evalStrategy != null) {
            return evalStrategy;
        }
        return evalSteps == null ? EvalStrategy.NO : EvalStrategy.STEPS;
    }

    /** Steps from one line of metrics to the next, in a run of so many steps. */
    int loggingInterval(int steps) {
        return interval(loggingSteps, steps);
    }

    /** Whether the evaluation data is read after {@code done} of {@code steps} steps. */
    boolean evaluatesAfter(int done, int steps) {
        return evalDataset != null && (done == steps || done % evalInterval(steps) == 0);
    }

    /** How often the evaluation data is read in so many steps. */
    int evaluations(int steps) {
        int every = evalInterval(steps);
        return evalDataset == null ? 0 : steps / every + (steps % every == 0 ? 0 : 1);
    }

    private int evalInterval(int steps) {
        return strategy() == EvalStrategy.STEPS
                ? interval(evalSteps == null ? loggingSteps : evalSteps, steps)
                : Math.max(1, steps);
    }

    /** As transformers' {@code TrainerState.compute_steps}. */
    private static int interval(double every, int steps) {
        return every < 1 ? share(every, steps) : (int) every;
    }

    static int share(double share, int steps) {
        return (int) Math.ceil(steps * share);
    }
}
