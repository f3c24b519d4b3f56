package org.dpo4j.report;

/**
 * What the rules of {@link Diagnoses} know of a run beside its metrics.
 *
 * @param steps optimizer steps of the run
 * @param rowsPerStep maximum number of rows of a step
 * @param maxGradNorm the norm to which gradients are clipped; 0 for no clipping
 * @param chosenTokens mean number of tokens of a chosen completion; 0 if the rows are no pairs
 * @param rejectedTokens mean number of tokens of a rejected completion; 0 if the rows are no pairs
 * @param hasNoise whether training has noise that the reference has not, so that the first rewards are not 0
 */
public record DiagnosedRun(
        int steps, int rowsPerStep, double maxGradNorm, double chosenTokens, double rejectedTokens, boolean hasNoise) {}
