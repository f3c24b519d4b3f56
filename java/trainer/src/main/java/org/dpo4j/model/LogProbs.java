package org.dpo4j.model;

/**
 * Device addresses of the results of completions. After {@link ScoringModel#forward} they are those of a batch, valid
 * until the next pass of the same {@link ScoringModel}. In a {@link CompletionLoss} they are those of a chunk, valid
 * until the next chunk.
 *
 * @param tokens f32[tokens]: the log-prob of each completion token, in the batch's order
 * @param sums f32[completions]: sum of the log-probs of each completion
 * @param lengths i32[completions]: tokens of each completion
 * @param statistics f32[completions, TokenLogProb.STATISTICS]: sums over each completion; 0 if they are not computed
 */
public record LogProbs(long tokens, long sums, long lengths, long statistics) {}
