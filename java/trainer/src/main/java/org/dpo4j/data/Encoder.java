package org.dpo4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import org.dpo4j.kernels.Dpo4jException;

/**
 * The values of rows as token ids.
 *
 * <p>A prompt and its completions are tokenised together, for tokenizers merge across the border between them. Where
 * the joint ids do not begin with the prompt's own, the border moves back to the last token that the prompt has in
 * common with all of them, as in TRL 1.16.
 */
final class Encoder {

    /**
     * A prompt with the completions that share it.
     *
     * @param backedOff whether the last tokens of the prompt belong to the completions
     */
    record Joint(int[] prompt, int[][] completions, boolean backedOff) {}

    private final ReadOptions options;

    Encoder(ReadOptions options) {
        this.options = options;
    }

    /** The value of a key that holds text. */
    static String text(ObjectNode row, String key) throws BadRow {
        JsonNode value = row.path(key);
        if (!value.isTextual()) {
            throw new BadRow(BadRow.Reason.UNKNOWN_FORMAT, key + " is " + describe(value) + "; give text");
        }
        String text = value.textValue();
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (Character.isHighSurrogate(c) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(c)) {
                String code = "\\u" + Integer.toHexString(c);
                throw new BadRow(
                        BadRow.Reason.MALFORMED,
                        key + " holds " + code + ", half of a character; write the whole character");
            }
        }
        return text;
    }

    /** The value of a key that holds token ids, all within the vocabulary. */
    int[] ids(ObjectNode row, String key) throws BadRow {
        JsonNode value = row.path(key);
        if (!value.isArray()) {
            throw new BadRow(
                    BadRow.Reason.UNKNOWN_FORMAT, key + " is " + describe(value) + "; give a list of token ids");
        }
        int[] ids = new int[value.size()];
        for (int i = 0; i < ids.length; i++) {
            JsonNode id = value.get(i);
            if (!id.isIntegralNumber()) {
                throw new BadRow(
                        BadRow.Reason.UNKNOWN_FORMAT, key + "[" + i + "] is " + id + "; give a list of token ids");
            }
            if (!id.canConvertToInt() || id.intValue() < 0 || id.intValue() >= options.vocabularySize()) {
                throw new BadRow(
                        BadRow.Reason.OUTSIDE_VOCABULARY,
                        key + "[" + i + "] is " + id + ", outside the model's vocabulary of " + options.vocabularySize()
                                + " tokens");
            }
            ids[i] = id.intValue();
        }
        return ids;
    }

    /** A text that begins a sequence, and EOS. */
    int[] whole(String text) throws BadRow {
        return ended(text, encode(text));
    }

    /** A prompt and its completions; EOS behind each completion that is more than white space. */
    Joint joint(String prompt, String... completions) throws BadRow {
        int[] alone = encode(prompt);
        if (alone.length == 0 && !prompt.isEmpty()) {
            throw new BadRow(
                    BadRow.Reason.EMPTY_PROMPT,
                    "the tokenizer drops every character of the prompt and adds no beginning token, so nothing predicts"
                            + " the first token");
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
                    "the whole prompt merges with the answer's first token, so nothing is left to predict that token"
                            + " from; end the prompt where a token ends, for instance with a line break");
        }
        for (int i = 0; i < completions.length; i++) {
            int[] completion = Arrays.copyOfRange(joint[i], common, joint[i].length);
            if (completion.length == 0 && !completions[i].isBlank()) {
                throw new BadRow(
                        BadRow.Reason.EMPTY_COMPLETION,
                        "an answer adds no token to the prompt's: the tokenizer drops all of its characters, or merges"
                                + " them with the prompt's last token");
            }
            joint[i] = completions[i].isBlank() ? new int[0] : ended(prompt + completions[i], completion);
        }
        return new Joint(Arrays.copyOf(alone, common), joint, common < alone.length);
    }

    /** The last ids of a text, and EOS unless the text spells it out. */
    private int[] ended(String text, int[] ids) throws BadRow {
        Integer end = tokenizer().eosTokenId();
        if (end == null) {
            throw new Dpo4jException(
                    "the model names no eos_token to end completions with; name it in tokenizer_config.json");
        }
        if (endsIn(end, ids) || endsBeforeWhiteSpace(end, text, ids)) {
            return ids;
        }
        int[] ended = Arrays.copyOf(ids, ids.length + 1);
        ended[ids.length] = end;
        return ended;
    }

    private static boolean endsIn(int end, int[] ids) {
        return ids.length > 0 && ids[ids.length - 1] == end;
    }

    /** Whether only white space follows EOS: most chat templates write a line break there. */
    private boolean endsBeforeWhiteSpace(int end, String text, int[] ids) throws BadRow {
        int length = text.length();
        while (length > 0 && isSpace(text.charAt(length - 1))) {
            length--;
        }
        return length < text.length()
                && Arrays.stream(ids).anyMatch(id -> id == end)
                && endsIn(end, encode(text.substring(0, length)));
    }

    /** Unicode's white space, which has spaces that forbid a line break as well. */
    private static boolean isSpace(char c) {
        return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == '\u0085';
    }

    private int[] encode(String text) throws BadRow {
        Tokenizer tokenizer = tokenizer();
        try {
            return tokenizer.encodeStart(text);
        } catch (Dpo4jException e) {
            throw new BadRow(BadRow.Reason.UNKNOWN_TEXT, String.valueOf(e.getMessage()));
        }
    }

    private Tokenizer tokenizer() {
        Tokenizer tokenizer = options.tokenizer();
        if (tokenizer == null) {
            throw new Dpo4jException(
                    "rows hold text but the model directory has no tokenizer.json; add it, or give token ids");
        }
        return tokenizer;
    }

    private static String describe(JsonNode value) {
        if (value.isMissingNode()) {
            return "missing";
        }
        if (value.isArray() || value.isObject()) {
            return value.isArray() ? "a list" : "an object";
        }
        return value.isTextual() ? "text" : value.toString();
    }

    /** Refuses what cannot be learned from: no prompt to predict from, or nothing to predict. */
    static void checkNotEmpty(int[] prompt, int[] completion, String name) throws BadRow {
        if (prompt.length == 0) {
            throw new BadRow(
                    BadRow.Reason.EMPTY_PROMPT,
                    "prompt is empty and the tokenizer adds no beginning token, so nothing predicts the first token");
        }
        if (completion.length == 0) {
            throw new BadRow(BadRow.Reason.EMPTY_COMPLETION, name + " is empty");
        }
    }

    /** Refuses a text that is longer than {@code max_length}, unless it is to be cut. */
    void checkLength(String name, int[] ids) throws BadRow {
        if (isTooLong(ids.length) && options.truncationMode() == null) {
            throw tooLong(name + " has " + ids.length);
        }
    }

    /**
     * The completion, cut at its end if that is asked for and it does not fit {@code max_length} together with its
     * prompt.
     */
    int[] fit(int[] prompt, int[] completion, String name) throws BadRow {
        Integer longest = options.maxLength();
        if (longest == null || !isTooLong(prompt.length + completion.length)) {
            return completion;
        }
        if (prompt.length >= longest) {
            throw new BadRow(
                    BadRow.Reason.PROMPT_TOO_LONG,
                    "prompt has " + prompt.length + " tokens, which leaves nothing of max_length " + longest
                            + "; raise max_length, or leave such rows out with on_bad_row skip");
        }
        if (options.truncationMode() == null) {
            throw tooLong("prompt with " + name + " has " + prompt.length + " + " + completion.length);
        }
        return Arrays.copyOf(completion, longest - prompt.length);
    }

    private boolean isTooLong(int tokens) {
        Integer longest = options.maxLength();
        return longest != null && tokens > longest;
    }

    private BadRow tooLong(String what) {
        return new BadRow(
                BadRow.Reason.TOO_LONG,
                what + " tokens, more than max_length " + options.maxLength() + "; raise max_length (to the model's"
                        + " positions at most), leave such rows out with on_bad_row skip, or cut them at their end with"
                        + " truncation_mode keep_start");
    }
}
