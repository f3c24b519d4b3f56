package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A prompt and the completions that share it, as a row states them. All are of the same kind. The prompt is null if a
 * row has a whole sequence, in which every token is to be learnt; there is then one completion.
 */
public sealed interface Content {

    /** Whether the row has a whole sequence, without a prompt. */
    boolean isWhole();

    /** What errors call completion {@code index} of {@code count}. */
    static String completionName(int index, int count) {
        return count == 1 ? "completion" : index == 0 ? "chosen" : "rejected";
    }

    /** Text, which is tokenised as it is. EOS is added to completions that do not end in it. */
    record Text(@Nullable String prompt, List<String> completions) implements Content {
        @Override
        public boolean isWhole() {
            return prompt == null;
        }
    }

    /** Messages with role and content, which the chat template renders. No EOS is added to what it renders. */
    record Messages(@Nullable ArrayNode prompt, List<ArrayNode> completions, ChatVariables variables)
            implements Content {
        @Override
        public boolean isWhole() {
            return prompt == null;
        }
    }

    /** Token ids, which are used unchanged. */
    record Ids(int @Nullable [] prompt, List<int[]> completions) implements Content {
        @Override
        public boolean isWhole() {
            return prompt == null;
        }
    }

    /**
     * What a chat template receives beside messages.
     *
     * @param tools descriptions of functions; null if there are none
     * @param documents texts for the answer; null if there are none
     * @param others other variables, by name: {@code chat_template_kwargs}
     */
    record ChatVariables(
            @Nullable ArrayNode tools, @Nullable ArrayNode documents, ObjectNode others) {}
}
