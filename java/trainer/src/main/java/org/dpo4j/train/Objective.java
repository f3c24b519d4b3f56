package org.dpo4j.train;

import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.Stream;
import org.dpo4j.data.Prompt;
import org.dpo4j.kernels.decoder.CountStep;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.Model;
import org.dpo4j.model.PassMemory;
import org.dpo4j.report.RunListener;
import org.dpo4j.train.checkpoint.SavedState;

/**
 * The objective that a run minimises: the mean of a loss over terms, which are pairs or target tokens. Methods queue
 * work; only metrics and evaluation wait for it.
 */
interface Objective extends AutoCloseable {

    /** Number of training rows. */
    int rows();

    /** Mean tokens of the chosen and of the rejected completion of a training row; zeros if rows are no pairs. */
    default double[] completionMeans() {
        return new double[2];
    }

    /** File and line, or element, of a training row; only its number if its files are not known. */
    String place(int row);

    /** Tokens of each training row that the decoder computes; those of a shared prompt count once. */
    int[] rowTokens();

    /** Plural name of a row, such as {@code pairs}. */
    String unit();

    /** Lines of the run header about the data and the loss. */
    Map<String, String> facts();

    /** Device memory of the arrays that the constructor has allocated. */
    long bytes();

    /**
     * Splits a micro-batch into the rows of its forward and backward passes. The gradients of the passes are added, so the number of passes
     * changes memory and rounding, but not the loss.
     */
    Stream<int[]> passesOf(int[] microBatch);

    /**
     * Device memory of the passes of a run that trains these steps. Allocates nothing.
     *
     * @param reference memory of the passes of the reference
     * @param options sizes of batches, and which activations are kept; those of the run, or others to compare with
     */
    Passes passes(Steps steps, PassMemory reference, StepOptions options);

    /**
     * Gives training passes memory for the logits of whole groups of completions, if they have less. Returns whether that changed
     * something; then {@link #passes} need more memory, and {@link #shrinkLogits} takes it back. Before the first step.
     */
    boolean growLogits();

    /** Gives training passes the memory for logits that they had before {@link #growLogits}. */
    void shrinkLogits();

    /** The fewest rows that a micro-batch may have. */
    default int minTrainBatch() {
        return 1;
    }

    /** The model in training. */
    Model model();

    /** Throws if one of these steps cannot be computed. */
    void checkSteps(Steps steps);

    /** Whether the loss reads log-probs of a reference. */
    boolean hasReference();

    /**
     * The rows whose log-probs under the reference these steps and the evaluations read, by data set.
     *
     * @param shortLength {@link org.dpo4j.model.family.Architecture#shortLength} of the reference
     */
    List<ReferenceRows<?>> referenceRows(Steps steps, int shortLength);

    /** Which sums of the reference the loss reads. */
    CompletionSums referenceSums();

    /**
     * Sets sums and running means to 0. Later calls use this reference, which the caller closes, and between batches they throw if the listener
     * cancels the run.
     */
    void begin(Reference reference, RunListener listener);

    /**
     * The sums to which {@link #accumulate} adds on the device, the first of which is that of losses. A skipped step leaves
     * them as they were. None if the objective adds up its losses on the host.
     */
    default CountStep.Sums sums() {
        return CountStep.Sums.NONE;
    }

    /** A step was skipped, so the terms that its {@link #accumulate} has added on the host do not count. */
    default void drop(int step) {}

    /** Lists what {@link #metrics} will read: sums and running means. Waits for the steps. */
    void state(SavedState saved);

    /** SHA-256 of the training rows' tokens, in order. */
    String dataHash();

    /** Tokens of these rows, counted as TRL counts {@code num_tokens}. */
    long tokens(int[] rows);

    /**
     * Adds the gradient of one optimizer step to the model's gradients: the gradient of the mean over all terms of the
     * step. How the rows are split into micro-batches does not change the mean.
     *
     * @param step the number of the step, on which random numbers depend
     */
    void accumulate(List<int[]> microBatches, int step);

    /** Means over the terms since the last call, under TRL's names. NaN if there are none, because all steps were skipped. */
    Map<String, Double> metrics();

    /** The sets of evaluation rows; empty if there are none. */
    List<EvalSet> evaluationSets();

    /** Names that {@link #metrics} and {@link #evaluate} may have. */
    Set<String> metricNames();

    /** The first different prompts of the first evaluation set, at most {@code max}. */
    List<Prompt> evaluationPrompts(int max);

    /** The factor of rewards; empty if the loss has no reference. */
    OptionalDouble beta();

    /** Which evaluation rows are training rows too. */
    TrainingOverlap trainingOverlap();

    /**
     * Means over all rows, or tokens, of a set, under the names of {@link #metrics}. They do not depend on the size of
     * the batches, unless the loss of a row depends on its batch.
     */
    Map<String, Double> evaluate(EvalSet set);

    @Override
    void close();
}
