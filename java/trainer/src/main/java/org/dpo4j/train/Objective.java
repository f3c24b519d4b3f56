package org.dpo4j.train;

import java.util.List;
import java.util.Map;
import org.dpo4j.report.RunListener;

/**
 * What a run minimises: the mean over its terms (pairs, or target tokens) of a loss. Queues work; only metrics and
 * evaluation wait for it.
 */
interface Objective extends AutoCloseable {

    /** Training rows. */
    int rows();

    /** What a row is, in the plural. */
    String unit();

    /** What a run header says of the data and the loss. */
    Map<String, String> facts();

    /** Bytes of the arrays that it has on the device from the beginning. */
    long bytes();

    /** What its passes take of the device, if training takes these steps. Nothing is allocated. */
    Passes passes(Steps steps);

    /**
     * Computes the reference's log-probs of the rows that these steps and the evaluations read, with the weights that the
     * model has now. {@link RunState#begin} alone asks, before the first step.
     */
    Reference reference(Steps steps, RunListener listener);

    /**
     * Sets sums and running means to 0 and takes the reference. From then on the listener is asked between batches
     * whether the run should end.
     */
    void begin(Reference reference, RunListener listener);

    /** Tokens the model reads in these rows, counted as TRL counts {@code num_tokens}. */
    long tokens(int[] rows);

    /**
     * Adds the gradient of one optimizer step to the model's: that of the mean over all terms of its micro-batches,
     * however they are cut.
     */
    void accumulate(List<int[]> microBatches);

    /** Means over the terms since the last call, under TRL's names. */
    Map<String, Double> metrics();

    /** Means over the evaluation data, under the names of {@link #metrics}. */
    Map<String, Double> evaluate();

    @Override
    void close();
}
