package org.dpo4j.train;

import org.dpo4j.train.checkpoint.SavedState;

/** A learning rate that follows {@code metric_for_best_model} of the evaluations, instead of the number of steps. */
sealed interface MetricRate permits GreedyRate, PlateauRate {

    /** Whether greater metrics are better. */
    boolean isMax();

    /** The rate of the next step. */
    double rate();

    /** Adds the metric of an evaluation. */
    void add(double metric);

    /** Lists what a checkpoint stores. */
    void state(SavedState saved);
}
