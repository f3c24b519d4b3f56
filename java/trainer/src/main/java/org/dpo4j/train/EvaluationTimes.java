package org.dpo4j.train;

/**
 * After which steps a run evaluates: as transformers, and always after the last step.
 *
 * @param options options of the run
 * @param steps steps of the run
 */
record EvaluationTimes(TrainOptions options, Steps steps) {

    /** Whether the run evaluates after step {@code done}; after step 0 is before the first one. */
    boolean isDueAfter(int done) {
        EvaluationOptions evaluation = options.evaluation();
        if (!evaluation.hasRows()) {
            return false;
        }
        if (done == 0) {
            return evaluation.evalOnStart;
        }
        boolean isLast = done == steps.total();
        return switch (evaluation.strategy()) {
            case NO -> isLast;
            case STEPS -> done >= evaluation.evalDelay && (isLast || done % interval() == 0);
            case EPOCH -> steps.epoch(done) >= evaluation.evalDelay && (isLast || steps.isEndOfEpoch(done));
        };
    }

    private int interval() {
        return LoggingOptions.interval(options.evaluation().interval(options.logging().loggingSteps), steps.total());
    }

    /** An upper bound on the number of lines that the evaluations of the run write. */
    long maxLines() {
        EvaluationOptions evaluation = options.evaluation();
        return evaluation.names().size() * (maxAfterSteps() + (evaluation.evalOnStart ? 1 : 0));
    }

    /** An upper bound on the number of evaluations after the first step. */
    long maxAfterSteps() {
        if (!options.evaluation().hasRows()) {
            return 0;
        }
        return 1
                + switch (options.evaluation().strategy()) {
                    case NO -> 0;
                    case STEPS -> steps.total() / interval();
                    case EPOCH -> (long) steps.epoch(steps.total());
                };
    }
}
