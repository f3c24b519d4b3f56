package org.dpo4j.train;

/**
 * Log-probs of the frozen reference.
 *
 * @param training of the training pairs that the steps read
 * @param evaluation of the evaluation pairs
 */
record Reference(ReferenceLogProbs training, ReferenceLogProbs evaluation) {

    /** Of an objective that reads none. */
    static final Reference NONE = new Reference(ReferenceLogProbs.NONE, ReferenceLogProbs.NONE);
}
