package org.dpo4j.train;

import java.util.List;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** On which rows a run evaluates, and when. */
public final class EvaluationOptions extends OptionGroup {

    /** Where evaluation rows are; null: the split {@code dataset_test_split} of the data set, if it is evaluated. */
    @Option(
            names = "--eval_dataset",
            description = "Rows to evaluate on, named as in dataset_name, or several named sets: name=path,name2=path2,"
                    + " in a config file a mapping of names to a path or a list of paths. Named sets may be given one"
                    + " by one, too. Their metrics are called eval_NAME_loss and so on. Default: with eval_strategy steps or epoch, the split"
                    + " dataset_test_split of dataset_name.")
    @Nullable
    EvalDatasets evalDataset;

    /** When to evaluate; null: {@code STEPS} if {@code evalSteps} is given, else {@code NO}. */
    @Option(
            names = "--eval_strategy",
            description = "no evaluates after the last step only, steps also every eval_steps, epoch also after every"
                    + " epoch; default steps if eval_steps is given, else no.")
    @Nullable
    EvalStrategy evalStrategy;

    /** Steps between evaluations; a value below 1 is a share of all steps, rounded up; null: {@code logging_steps}. */
    @Option(
            names = "--eval_steps",
            description = "Steps between evaluations; a number below 1 is a share of all steps; default logging_steps.")
    @Nullable
    Double evalSteps;

    /** Whether the first evaluation is before the first step. */
    @Option(
            names = "--eval_on_start",
            arity = "0..1",
            fallbackValue = "true",
            description = "Evaluate before the first step too; default ${DEFAULT-VALUE}.")
    boolean evalOnStart = false;

    /** Steps, or epochs with {@code EPOCH}, before which the run does not evaluate. */
    @Option(
            names = "--eval_delay",
            description = "Steps, or epochs if eval_strategy is epoch, before the first evaluation; default 0.")
    double evalDelay = 0;

    EvalStrategy strategy() {
        if (evalStrategy == EvalStrategy.NO && evalSteps != null) {
            throw new Dpo4jException("eval_steps is given but eval_strategy is no; leave one out");
        }
        if (evalStrategy != null) {
            return evalStrategy;
        }
        return evalSteps == null ? EvalStrategy.NO : EvalStrategy.STEPS;
    }

    /** Whether the run has rows to evaluate on. */
    boolean hasRows() {
        return evalDataset != null || strategy() != EvalStrategy.NO || evalOnStart;
    }

    /** Names of the sets; the only set has an empty name. */
    List<String> names() {
        return evalDataset == null
                ? List.of("")
                : List.copyOf(evalDataset.sets().keySet());
    }

    /** Steps between evaluations, or a share of all steps. */
    double interval(double loggingSteps) {
        return evalSteps == null ? loggingSteps : evalSteps;
    }
}
