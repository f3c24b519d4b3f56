package org.dpo4j.report;

import org.jspecify.annotations.Nullable;

/**
 * A prompt of the evaluation rows, and how policy and reference continue it.
 *
 * @param row number of the prompt's row in its file, counted from 1
 * @param prompt the prompt as text; without a tokenizer its token ids, separated by spaces
 * @param policy the continuation by the model in training
 * @param reference the continuation by the reference, the same at each evaluation
 */
public record GeneratedSample(int row, String prompt, Continuation policy, Continuation reference) {

    /**
     * A continuation of a prompt.
     *
     * @param text without the prompt; without a tokenizer its token ids, separated by spaces
     * @param reward implicit reward: beta * (log-prob under the policy - log-prob under the reference) of all its tokens;
     *     null if the loss has no reference
     */
    public record Continuation(String text, @Nullable Double reward) {}
}
