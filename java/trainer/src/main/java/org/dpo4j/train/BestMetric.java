package org.dpo4j.train;

import org.dpo4j.train.checkpoint.SavedState;

/**
 * The best value of a metric so far, by {@code mode}, {@code threshold} and {@code threshold_mode} of {@code lr_scheduler_kwargs}. A value is better if it exceeds the
 * best one by more than the threshold, as in PyTorch's {@code ReduceLROnPlateau} and transformers' {@code GreedyLR}.
 */
final class BestMetric {
    private static final double MAX = 1e30;

    private final boolean isMax;
    private final boolean isRelative;
    private final double threshold;
    private double best;
    private boolean hasBest;

    /** Throws, naming the key, if a value is not allowed. The other arguments are the defaults of the schedule. */
    BestMetric(ScheduleKwargs kwargs, double threshold, String thresholdMode) {
        isMax = kwargs.choice("mode", "min", "min", "max").equals("max");
        isRelative =
                kwargs.choice("threshold_mode", thresholdMode, "rel", "abs").equals("rel");
        this.threshold = kwargs.number("threshold", threshold, 0, MAX);
    }

    /** Whether greater metrics are better. */
    boolean isMax() {
        return isMax;
    }

    /** Returns whether the metric is better than the best one, and then keeps it. */
    boolean add(double metric) {
        boolean isBetter = isBetter(metric);
        if (isBetter) {
            best = metric;
            hasBest = true;
        }
        return isBetter;
    }

    /** Forgets the best value. */
    void reset() {
        hasBest = false;
    }

    /** The first value is compared with an infinite one. */
    private boolean isBetter(double metric) {
        double worst = isMax ? Double.NEGATIVE_INFINITY : Double.POSITIVE_INFINITY;
        double than = hasBest ? best : worst;
        if (isMax) {
            return metric > (isRelative ? than * (1 + threshold) : than + threshold);
        }
        return metric < (isRelative ? than * (1 - threshold) : than - threshold);
    }

    /** Lists what a checkpoint stores, under names that begin with the prefix. */
    void state(SavedState saved, String prefix) {
        saved.real(prefix + "best", () -> best, value -> best = value);
        saved.whole(prefix + "has_best", () -> hasBest ? 1 : 0, value -> hasBest = value != 0);
    }
}
