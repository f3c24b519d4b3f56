package org.dpo4j.train;

/**
 * Log-probs of the reference model.
 *
 * @param training log-probs of the training pairs that the steps read
 * @param evaluation log-probs of the evaluation pairs
 */
record Reference(ReferenceLogProbs training, ReferenceLogProbs evaluation) {

    /** For an objective without a reference. */
    static final Reference NONE = new Reference(ReferenceLogProbs.NONE, ReferenceLogProbs.NONE);
}
