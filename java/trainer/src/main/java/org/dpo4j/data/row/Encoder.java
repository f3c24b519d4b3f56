package org.dpo4j.data.row;

import java.util.Arrays;
import java.util.List;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Converts the values of rows to token ids.
 *
 * <p>Prompt and completion are tokenised together, because tokenizers merge across the boundary between them. If the
 * joint ids do not begin with the ids of the prompt alone, the prompt is cut before the first token that differs in any
 * of the joint ids, as in TRL 1.16.
 */
public final class Encoder {

    /**
     * A prompt with the completions that share it.
     *
     * @param isPromptMerged whether the last tokens of the prompt merged with a completion, and belong to the
     *     completions
     */
    public record Joint(int[] prompt, int[][] completions, boolean isPromptMerged) {}

    private final @Nullable Tokenizer tokenizer;
    private final int vocabularySize;
    private final RowOptions options;

    /** {@code vocabularySize}: number of rows of the model's embedding table. */
    public Encoder(@Nullable Tokenizer tokenizer, int vocabularySize, RowOptions options) {
        this.tokenizer = tokenizer;
        this.vocabularySize = vocabularySize;
        this.options = options;
    }

    /** The token ids of what a row says. */
    public Joint encode(Content content) throws BadRow {
        if (content instanceof Content.Text text) {
            String prompt = text.prompt();
            return prompt == null
                    ? whole(whole(text.completions().get(0)))
                    : joint(prompt, text.completions().toArray(String[]::new));
        }
        if (content instanceof Content.Ids ids) {
            int[] prompt = ids.prompt();
            List<int[]> completions = ids.completions();
            if (prompt == null) {
                checkVocabulary("the sequence", completions.get(0));
                return whole(completions.get(0));
            }
            checkVocabulary("prompt", prompt);
            for (int i = 0; i < completions.size(); i++) {
                checkVocabulary(Content.completionName(i, completions.size()), completions.get(i));
            }
            return new Joint(prompt, completions.toArray(int[][]::new), false);
        }
        throw new BadRow(
                BadRow.Reason.CHAT_TEMPLATE,
                "it holds role and content messages, and the model directory has no chat template");
    }

    /** Splits a whole sequence behind its first token, which nothing predicts. */
    private Joint whole(int[] ids) throws BadRow {
        if (ids.length < 2) {
            throw new BadRow(
                    BadRow.Reason.EMPTY_COMPLETION,
                    "the sequence has " + ids.length
                            + " tokens; at least 2 are needed, because the second is the first target");
        }
        return new Joint(Arrays.copyOf(ids, 1), new int[][] {Arrays.copyOfRange(ids, 1, ids.length)}, false);
    }

    /** Throws if an id is outside the vocabulary. {@code name} is what has the ids. */
    public void checkVocabulary(String name, int[] ids) throws BadRow {
        for (int i = 0; i < ids.length; i++) {
            if (ids[i] >= vocabularySize) {
                throw new BadRow(
                        BadRow.Reason.OUTSIDE_VOCABULARY,
                        name + " has the token id " + ids[i] + " at index " + i + ", outside the model's vocabulary of "
                                + vocabularySize + " tokens");
            }
        }
    }

    /** The ids of a whole sequence: what the tokenizer puts before a text, the text, EOS. */
    private int[] whole(String text) throws BadRow {
        if (text.isEmpty()) {
            throw new BadRow(BadRow.Reason.EMPTY_COMPLETION, "text is empty");
        }
        return ended(text, encode(text));
    }

    /** The ids of a prompt and its completions, each followed by EOS. A completion of only white space gives no ids. */
    private Joint joint(String prompt, String... completions) throws BadRow {
        int[] alone = encode(prompt);
        if (alone.length == 0 && !prompt.isEmpty()) {
            throw new BadRow(
                    BadRow.Reason.EMPTY_PROMPT,
                    "the tokenizer drops every character of the prompt and adds no BOS token, so no token precedes"
                            + " the completion; change the prompt");
        }
        int[][] joint = new int[completions.length][];
        int common = alone.length;
        for (int i = 0; i < completions.length; i++) {
            joint[i] = encode(prompt + completions[i]);
            int mismatch = Arrays.mismatch(alone, joint[i]);
            common = mismatch < 0 ? common : Math.min(common, mismatch);
        }
        if (common == 0 && alone.length > 0) {
            throw new BadRow(
                    BadRow.Reason.PROMPT_MERGES,
                    "the tokenizer merges the whole prompt with the completion's first token, so no token precedes"
                            + " the completion; end the prompt where a token ends, for instance with a line break");
        }
        for (int i = 0; i < completions.length; i++) {
            int[] completion = Arrays.copyOfRange(joint[i], common, joint[i].length);
            if (completion.length == 0 && !completions[i].isBlank()) {
                throw new BadRow(
                        BadRow.Reason.EMPTY_COMPLETION,
                        "a completion adds no token to the prompt: the tokenizer drops all of its characters, or merges"
                                + " them with the prompt's last token");
            }
            joint[i] = completions[i].isBlank() ? new int[0] : ended(prompt + completions[i], completion);
        }
        return new Joint(Arrays.copyOf(alone, common), joint, common < alone.length);
    }

    /** Appends EOS to the last ids of a text, unless the text already ends in EOS. */
    private int[] ended(String text, int[] ids) throws BadRow {
        Integer end = tokenizer().eosTokenId();
        if (end == null) {
            throw new Dpo4jException(
                    "the model has no eos_token to end completions with; name it in tokenizer_config.json");
        }
        if (isEndedBy(end, ids) || isEndedBeforeWhiteSpace(end, text, ids)) {
            return ids;
        }
        int[] ended = Arrays.copyOf(ids, ids.length + 1);
        ended[ids.length] = end;
        return ended;
    }

    private static boolean isEndedBy(int end, int[] ids) {
        return ids.length > 0 && ids[ids.length - 1] == end;
    }

    /** Whether the text ends in EOS and white space, as with chat templates that write a line break after EOS. */
    private boolean isEndedBeforeWhiteSpace(int end, String text, int[] ids) throws BadRow {
        int length = text.length();
        while (length > 0 && isSpace(text.charAt(length - 1))) {
            length--;
        }
        return length < text.length()
                && Arrays.stream(ids).anyMatch(id -> id == end)
                && isEndedBy(end, encode(text.substring(0, length)));
    }

    /** Whether it is white space in Unicode; {@link Character#isWhitespace(char)} leaves out non-breaking spaces. */
    private static boolean isSpace(char c) {
        return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == '\u0085';
    }

    private int[] encode(String text) throws BadRow {
        Tokenizer present = tokenizer();
        try {
            return present.encodeStart(text);
        } catch (Dpo4jException e) {
            throw new BadRow(BadRow.Reason.UNKNOWN_TEXT, String.valueOf(e.getMessage()));
        }
    }

    private Tokenizer tokenizer() {
        if (tokenizer == null) {
            throw new Dpo4jException(
                    "rows hold text but the model directory has no tokenizer.json; add it, or give token ids");
        }
        return tokenizer;
    }

    /** Throws if the prompt or the completion has no tokens. */
    public static void checkNotEmpty(int[] prompt, int[] completion, String name) throws BadRow {
        if (prompt.length == 0) {
            throw new BadRow(
                    BadRow.Reason.EMPTY_PROMPT,
                    "prompt is empty and the tokenizer adds no BOS token, so no token precedes the completion; give a"
                            + " prompt");
        }
        if (completion.length == 0) {
            throw new BadRow(BadRow.Reason.EMPTY_COMPLETION, name + " is empty");
        }
    }
}
