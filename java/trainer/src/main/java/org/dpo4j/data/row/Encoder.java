package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.node.ArrayNode;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.data.chat.Rendered;
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
     * Characters of a text at most: ten times the tokens of the longest contexts. Tokenizers without pre-tokenizer take some
     * seconds for so many.
     */
    private static final int MAX_CHARACTERS = 1 << 22;

    /**
     * A prompt with the completions that share it.
     *
     * @param targets which tokens of the only completion are learnt; null if all tokens of all completions are
     * @param isPromptMerged whether the last tokens of the prompt merged with a completion, and belong to the
     *     completions
     */
    public record Joint(int[] prompt, int[][] completions, boolean @Nullable [] targets, boolean isPromptMerged) {
        private Joint(int[] prompt, int[][] completions, boolean isPromptMerged) {
            this(prompt, completions, null, isPromptMerged);
        }

        /** Whether prompt and completions are the same; targets are not compared. */
        public boolean hasSameIds(Joint other) {
            return Arrays.equals(prompt, other.prompt) && Arrays.deepEquals(completions, other.completions);
        }
    }

    private final @Nullable Tokenizer tokenizer;
    private final int vocabularySize;
    private final RowOptions options;
    private final ChatRenderer renderer;

    /** {@code vocabularySize}: number of rows of the model's embedding table. */
    public Encoder(@Nullable Tokenizer tokenizer, int vocabularySize, RowOptions options) {
        this.tokenizer = tokenizer;
        this.vocabularySize = vocabularySize;
        this.options = options;
        this.renderer = new ChatRenderer(options);
    }

    /** The token ids of what a row says. */
    public Joint encode(Content content) throws BadRow {
        if (content instanceof Content.Messages messages) {
            ArrayNode prompt = messages.prompt();
            return prompt == null ? whole(messages) : conversation(prompt, messages);
        }
        if (options.isAssistantOnly()) {
            throw new BadRow(
                    BadRow.Reason.NO_TARGETS,
                    "assistant_only_loss needs messages, in which the chat template marks the assistant's; give"
                            + " messages, or set assistant_only_loss false");
        }
        return content instanceof Content.Text text ? text(text) : ids((Content.Ids) content);
    }

    /**
     * Whether a completion of messages ends with an answer without text, thoughts and calls. What the template writes behind
     * it is learnt.
     */
    public static boolean hasEmptyAnswer(Content content) {
        return content instanceof Content.Messages messages
                && messages.completions().stream().anyMatch(Messages::isAnswerEmpty);
    }

    /** The texts of messages, as the chat template renders them. */
    public Content.Text rendered(Content.Messages messages) throws BadRow {
        return renderer.text(messages);
    }

    private Joint text(Content.Text text) throws BadRow {
        String prompt = text.prompt();
        return prompt == null
                ? split(whole(text.completions().get(0)), null)
                : joint(prompt, text.completions().toArray(String[]::new));
    }

    private Joint ids(Content.Ids ids) throws BadRow {
        int[] prompt = ids.prompt();
        List<int[]> completions = ids.completions();
        if (prompt == null) {
            checkVocabulary("the sequence", completions.get(0));
            return split(completions.get(0), null);
        }
        checkVocabulary("prompt", prompt);
        for (int i = 0; i < completions.size(); i++) {
            checkVocabulary(Content.completionName(i, completions.size()), completions.get(i));
        }
        return new Joint(prompt, completions.toArray(int[][]::new), false);
    }

    /**
     * A conversation with one answer or two, as TRL 1.16 encodes it: the template writes BOS and EOS where it writes them,
     * and no other is added.
     */
    private Joint conversation(ArrayNode start, Content.Messages messages) throws BadRow {
        String prompt = renderer.prompt(start, messages.variables());
        int[] alone = rendered(prompt);
        int count = messages.completions().size();
        int[][] joint = new int[count][];
        boolean[] isGenerated = null;
        for (int i = 0; i < count; i++) {
            ArrayNode all = Messages.joined(start, messages.completions().get(i));
            Rendered whole = renderer.whole(all, messages.variables());
            renderer.checkPrompt(prompt, whole.text(), Content.completionName(i, count));
            renderer.checkCalls(all, start.size(), messages.variables(), whole.text());
            joint[i] = rendered(whole.text());
            isGenerated = options.isAssistantOnly() ? isGenerated(whole) : null;
        }
        int common = common(alone, joint);
        for (int i = 0; i < count; i++) {
            joint[i] = Arrays.copyOfRange(joint[i], common, joint[i].length);
        }
        boolean[] targets = isGenerated == null ? null : Arrays.copyOfRange(isGenerated, common, isGenerated.length);
        checkTargets(targets);
        return new Joint(Arrays.copyOf(alone, common), joint, targets, common < alone.length);
    }

    private Joint whole(Content.Messages messages) throws BadRow {
        ArrayNode all = messages.completions().get(0);
        Rendered whole = renderer.whole(all, messages.variables());
        renderer.checkCalls(all, 0, messages.variables(), whole.text());
        return split(rendered(whole.text()), options.isAssistantOnly() ? isGenerated(whole) : null);
    }

    /**
     * Which tokens of a text are generated: those that come from any character in a generation block. TRL's mask ends early
     * where several tokens share the last character of a block.
     */
    private boolean[] isGenerated(Rendered whole) {
        int[] begins = whole.generated().stream().mapToInt(Rendered.Span::begin).toArray();
        int[] ends = whole.generated().stream().mapToInt(Rendered.Span::end).toArray();
        return tokenizer().isIn(whole.text(), begins, ends);
    }

    private static void checkTargets(boolean @Nullable [] targets) throws BadRow {
        boolean hasTarget = targets == null;
        for (int i = 0; targets != null && i < targets.length; i++) {
            hasTarget |= targets[i];
        }
        if (!hasTarget) {
            throw new BadRow(
                    BadRow.Reason.NO_TARGETS,
                    "the chat template marks no token of it as generated, so assistant_only_loss learns nothing; use a"
                            + " template with {% generation %} blocks, as TRL has them for training");
        }
    }

    /** The ids of a prompt to continue: ids, or messages, which are rendered. */
    public int[] start(Content content) throws BadRow {
        if (content instanceof Content.Messages messages) {
            return rendered(renderer.start(messages.completions().get(0), messages.variables()));
        }
        if (content instanceof Content.Ids ids) {
            checkVocabulary("prompt", ids.completions().get(0));
            return ids.completions().get(0);
        }
        return encode(((Content.Text) content).completions().get(0));
    }

    /** Splits a whole sequence behind its first token, which nothing predicts. */
    private Joint split(int[] ids, boolean @Nullable [] targets) throws BadRow {
        if (ids.length < 2) {
            throw new BadRow(
                    BadRow.Reason.EMPTY_COMPLETION,
                    "the sequence has " + ids.length
                            + " tokens; at least 2 are needed, because the second is the first target");
        }
        boolean[] behind = targets == null ? null : Arrays.copyOfRange(targets, 1, targets.length);
        checkTargets(behind);
        return new Joint(Arrays.copyOf(ids, 1), new int[][] {Arrays.copyOfRange(ids, 1, ids.length)}, behind, false);
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
        for (int i = 0; i < completions.length; i++) {
            joint[i] = encode(prompt + completions[i]);
        }
        int common = common(alone, joint);
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

    /** The number of ids of the prompt alone with which all joint ids begin. */
    private static int common(int[] alone, int[][] joint) throws BadRow {
        int common = alone.length;
        for (int[] each : joint) {
            int mismatch = Arrays.mismatch(alone, each);
            common = mismatch < 0 ? common : Math.min(common, mismatch);
        }
        if (common == 0 && alone.length > 0) {
            throw new BadRow(
                    BadRow.Reason.PROMPT_MERGES,
                    "the tokenizer merges the whole prompt with the completion's first token, so no token precedes"
                            + " the completion; end the prompt where a token ends, for instance with a line break");
        }
        return common;
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

    /** The ids of a text at the start of a sequence. */
    private int[] encode(String text) throws BadRow {
        return encode(text, tokenizer()::encodeStart);
    }

    /** The ids of a text that a template rendered, in which BOS is if it belongs there. */
    private int[] rendered(String text) throws BadRow {
        return encode(text, tokenizer()::encode);
    }

    private static int[] encode(String text, Function<String, int[]> tokenizer) throws BadRow {
        if (text.length() > MAX_CHARACTERS) {
            throw new BadRow(
                    BadRow.Reason.TEXT_TOO_LONG,
                    String.format(
                            Locale.ROOT,
                            "it has a text of %,d characters, more than the %,d that are converted to tokens; split it into"
                                    + " several rows",
                            text.length(),
                            MAX_CHARACTERS));
        }
        try {
            return tokenizer.apply(text);
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
