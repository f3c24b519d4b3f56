package org.dpo4j.train;

import picocli.CommandLine.Option;

/** When a run writes metrics. */
public final class LoggingOptions extends OptionGroup {

    /** Steps between lines of metrics; a value below 1 is a share of all steps, rounded up. */
    @Option(
            names = "--logging_steps",
            description = "Steps between lines of metrics; a number below 1 is a share of all steps; default 10.")
    double loggingSteps = 10;

    /** Whether the first step has a line of its own. */
    @Option(
            names = "--logging_first_step",
            arity = "0..1",
            fallbackValue = "true",
            description = "Write a line of metrics after the first step too; default false.")
    boolean loggingFirstStep;

    /** Whether a line of metrics is due after a step of a run of {@code steps} steps. */
    boolean isDueAfter(int step, int steps) {
        return step % loggingInterval(steps) == 0 || loggingFirstStep && step == 1;
    }

    /** Steps between lines of metrics in a run of {@code steps} steps. */
    int loggingInterval(int steps) {
        return interval(loggingSteps, steps);
    }

    /** As {@code TrainerState.compute_steps} of transformers. */
    static int interval(double every, int steps) {
        return every < 1 ? share(every, steps) : (int) every;
    }

    static int share(double share, int steps) {
        return (int) Math.ceil(steps * share);
    }
}
