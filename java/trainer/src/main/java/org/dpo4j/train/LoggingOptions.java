package org.dpo4j.train;

import java.nio.file.Path;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** When a run writes metrics and evaluates. */
public final class LoggingOptions extends OptionGroup {

    /** Steps between lines of metrics; a value below 1 is a share of all steps, rounded up. */
    @Option(
            names = "--logging_steps",
            description = "Steps between lines of metrics; a number below 1 is a share of all steps; default 10.")
    double loggingSteps = 10;

    /** Where evaluation rows are; null: the split {@code dataset_test_split} of the data set, if it is evaluated. */
    @Option(
            names = "--eval_dataset",
            description = "Rows to evaluate on, named as in dataset_name. Default: with eval_strategy steps, the"
                    + " split dataset_test_split of dataset_name.")
    @Nullable
    Path evalDataset;

    /** When to evaluate; null: {@code STEPS} if {@code evalSteps} is given, else {@code NO}. */
    @Option(
            names = "--eval_strategy",
            description =
                    "no evaluates after the last step only, steps also every eval_steps; default steps if eval_steps"
                            + " is given, else no.")
    @Nullable
    EvalStrategy evalStrategy;

    /** Steps between evaluations; a value below 1 is a share of all steps, rounded up; null: {@code loggingSteps}. */
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

    /** Steps between lines of metrics in a run of {@code steps} steps. */
    int loggingInterval(int steps) {
        return interval(loggingSteps, steps);
    }

    /** Whether a run of {@code steps} steps evaluates after step {@code done}, if it has rows for that. */
    boolean isEvaluatedAfter(int done, int steps) {
        return done == steps || done % evalInterval(steps) == 0;
    }

    /** Number of evaluations in a run of {@code steps} steps, if it has rows for them. */
    int evaluations(int steps) {
        int every = evalInterval(steps);
        return steps / every + (steps % every == 0 ? 0 : 1);
    }

    private int evalInterval(int steps) {
        return strategy() == EvalStrategy.STEPS
                ? interval(evalSteps == null ? loggingSteps : evalSteps, steps)
                : Math.max(1, steps);
    }

    /** As {@code TrainerState.compute_steps} of transformers. */
    static int interval(double every, int steps) {
        return every < 1 ? share(every, steps) : (int) every;
    }

    static int share(double share, int steps) {
        return (int) Math.ceil(steps * share);
    }
}
