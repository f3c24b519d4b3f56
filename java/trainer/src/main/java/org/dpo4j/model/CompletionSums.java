package org.dpo4j.model;

import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.SequenceSum;
import org.dpo4j.kernels.SequenceSum.Sequences;
import org.dpo4j.kernels.TokenLogProb;

/**
 * Which sums over the tokens of a completion are computed.
 *
 * @param tailFactor weight of tokens past the length of the shorter completion of the pair (LD-DPO, Liu et al. 2024); 1
 *     to count them fully
 * @param hasStatistics whether entropy, accuracy, mean logits and WPO's log weights are computed too, in the same read
 *     of the logits
 */
public record CompletionSums(float tailFactor, boolean hasStatistics) {

    /** Only sums of log-probs. */
    public static final CompletionSums PLAIN = new CompletionSums(1, false);

    /** Queues the sums of log-probs, and of statistics if they are computed, into {@code logProbs}. */
    void queue(Device device, CompletionHead.Activations tokens, long offsets, int completions, LogProbs logProbs) {
        SequenceSum.forward(device, logProbs.sums(), tokens.logprob(), sequences(offsets, completions));
        if (hasStatistics) {
            Sequences plain = new Sequences(offsets, completions, TokenLogProb.STATISTICS, 1, false);
            SequenceSum.forward(device, logProbs.statistics(), tokens.statistics(), plain);
        }
    }

    /** Queues d loss / d log-prob of each token. */
    void queueBackward(Device device, long dLogprob, long dSums, long offsets, int completions) {
        SequenceSum.backward(device, dLogprob, dSums, sequences(offsets, completions));
    }

    private Sequences sequences(long offsets, int completions) {
        return new Sequences(offsets, completions, 1, tailFactor, false);
    }
}
