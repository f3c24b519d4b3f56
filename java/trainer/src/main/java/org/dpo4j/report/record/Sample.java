package org.dpo4j.report.record;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A prompt and its answers, before and after training.
 *
 * @param prompt the prompt
 * @param answers in the order in which they are shown
 */
public record Sample(String prompt, List<Answer> answers) {

    /**
     * An answer.
     *
     * @param source who answered, such as reference
     * @param text the answer
     * @param reward its implicit reward; null if it is unknown
     */
    public record Answer(
            String source, String text, @Nullable Double reward) {}

    public Sample {
        answers = List.copyOf(answers);
    }
}
