package org.dpo4j.model;

/**
 * Addresses of what a pass has made of completions, on the model's device: of a batch after {@link
 * ScoringModel#forward}, valid until the next pass of the same {@link ScoringModel}; of a chunk of one in a {@link
 * CompletionLoss}, valid until the next chunk.
 *
 * @param tokens f32[tokens]: the log-prob of each completion token, in the batch's order
 * @param sums f32[completions]: their sums over each completion
 * @param lengths i32[completions]: tokens of each completion
 * @param statistics f32[completions, TokenLogProb.STATISTICS]: sums over each completion; 0 where not asked for
 */
public record LogProbs(long tokens, long sums, long lengths, long statistics) {}
