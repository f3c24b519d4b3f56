package org.dpo4j.data;

import java.util.Arrays;
import java.util.List;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Which tokens of a row are kept.
 *
 * <p>First the prompt keeps its last {@code maxPromptLength} tokens and a completion its first {@code
 * maxCompletionLength} tokens, as in TRL 0.28. Then prompt and completion together keep at most {@code maxLength}
 * tokens:
 *
 * <ul>
 *   <li>{@code keep_start} keeps the first ones, as TRL 1.16 does. A row whose prompt fills {@code maxLength} is left
 *       out.
 *   <li>{@code keep_end} keeps the last ones, as TRL 1.16 does. If they begin in the completion, the first of them is
 *       no target.
 *   <li>{@code proportional} keeps the start of the prompt and the start of the completion. LLaMA-Factory's {@code
 *       infer_seqlen} says how many of each, by the lengths of the prompt and the longest completion.
 *   <li>{@code drop} leaves a longer row out. {@code raise} makes it a row that cannot be used. Both hold for the other
 *       two limits too.
 * </ul>
 *
 * <p>The completions of a row are cut independently, so after {@code keep_end} their prompts may differ.
 *
 * @param maxLength maximum tokens of prompt and completion together; null for no limit
 * @param maxPromptLength maximum tokens of a prompt; null for no limit
 * @param maxCompletionLength maximum tokens of a completion; null for no limit
 * @param eos a completion that ends with this token still does after it is cut: it replaces the last token that is
 *     kept; null: no token is replaced
 */
public record Truncation(
        TruncationMode mode,
        @Nullable Integer maxLength,
        @Nullable Integer maxPromptLength,
        @Nullable Integer maxCompletionLength,
        @Nullable Integer eos) {

    /** Rows of any length are used. */
    public static final Truncation NONE = new Truncation(TruncationMode.RAISE, null, null, null, null);

    /**
     * The tokens that are kept of a prompt and of a completion: {@code [promptBegin, promptEnd)} and {@code
     * [completionBegin, completionEnd)}. If no token of the prompt is kept, the first token of the completion takes its
     * place.
     */
    public record Kept(int promptBegin, int promptEnd, int completionBegin, int completionEnd) {

        private boolean hasPrompt() {
            return promptBegin < promptEnd;
        }

        private int firstTarget() {
            return completionBegin + (hasPrompt() ? 0 : 1);
        }

        /** The tokens that precede the first target. */
        public int[] prompt(int[] prompt, int[] completion) {
            return hasPrompt()
                    ? Arrays.copyOfRange(prompt, promptBegin, promptEnd)
                    : Arrays.copyOfRange(completion, completionBegin, completionBegin + 1);
        }

        /** The completion's tokens, from its first target. */
        public int[] completion(int[] completion) {
            return Arrays.copyOfRange(completion, firstTarget(), completionEnd);
        }

        /** Which of these are targets. */
        public boolean[] targets(boolean[] targets) {
            return Arrays.copyOfRange(targets, firstTarget(), completionEnd);
        }

        /** Whether tokens of a prompt of this length are cut. */
        public boolean isPromptCut(int length) {
            return promptEnd - promptBegin < length;
        }

        /** Whether tokens of a completion of this length are cut. */
        public boolean isCompletionCut(int length) {
            return completionEnd - completionBegin < length;
        }

        private int length() {
            return promptEnd - promptBegin + completionEnd - completionBegin;
        }
    }

    public Truncation {
        if (maxLength != null && maxLength < 2) {
            throw new Dpo4jException(
                    "max_length is " + maxLength + "; a prompt and a completion need at least 2 tokens");
        }
        checkPositive("max_prompt_length", maxPromptLength);
        checkPositive("max_completion_length", maxCompletionLength);
    }

    private static void checkPositive(String name, @Nullable Integer value) {
        if (value != null && value < 1) {
            throw new Dpo4jException(name + " is " + value + "; it must be at least 1");
        }
    }

    /** With {@code maxLength} as the only limit. */
    public static Truncation to(@Nullable Integer maxLength, TruncationMode mode) {
        return new Truncation(mode, maxLength, null, null, null);
    }

    /**
     * What is kept of each completion and of its prompt. Throws if the row is left out or cannot be used.
     *
     * @param prompt tokens of the prompt
     * @param completions tokens of each completion
     * @param names the completions' names, for errors
     */
    public List<Kept> keep(int prompt, List<Integer> completions, List<String> names) throws BadRow {
        if (!mode.isCut()) {
            checkLengths(prompt, completions, names);
        }
        int promptBegin = prompt - limited(prompt, maxPromptLength);
        List<Kept> kept = completions.stream()
                .map(length -> new Kept(promptBegin, prompt, 0, limited(length, maxCompletionLength)))
                .toList();
        return switch (mode) {
            case KEEP_START -> keepStart(kept);
            case KEEP_END -> kept.stream().map(this::keepEnd).toList();
            case PROPORTIONAL -> proportional(kept);
            case DROP, RAISE -> kept;
        };
    }

    /** The completion, cut, with EOS if {@link #eos} asks for it. */
    public int[] completion(Kept kept, int[] completion) {
        int[] cut = kept.completion(completion);
        if (eos != null && kept.completionEnd < completion.length && completion[completion.length - 1] == eos) {
            cut[cut.length - 1] = eos;
        }
        return cut;
    }

    private List<Kept> keepStart(List<Kept> kept) throws BadRow {
        if (maxLength == null) {
            return kept;
        }
        int prompt = kept.get(0).promptEnd - kept.get(0).promptBegin;
        if (prompt >= maxLength) {
            throw noRoom(prompt);
        }
        return kept.stream()
                .map(each ->
                        new Kept(each.promptBegin, each.promptEnd, 0, Math.min(each.completionEnd, maxLength - prompt)))
                .toList();
    }

    private Kept keepEnd(Kept kept) {
        if (maxLength == null || kept.length() <= maxLength) {
            return kept;
        }
        int excess = kept.length() - maxLength;
        int ofPrompt = Math.min(excess, kept.promptEnd - kept.promptBegin);
        return new Kept(kept.promptBegin + ofPrompt, kept.promptEnd, excess - ofPrompt, kept.completionEnd);
    }

    private List<Kept> proportional(List<Kept> kept) throws BadRow {
        int prompt = kept.get(0).promptEnd - kept.get(0).promptBegin;
        int longest = kept.stream().mapToInt(Kept::completionEnd).max().orElse(0);
        if (maxLength == null || prompt + longest <= maxLength) {
            return kept;
        }
        int completion = Math.min(longest, maxCompletion(prompt, longest, maxLength));
        if (completion == 0) {
            throw noRoom(prompt);
        }
        int promptLength = Math.min(prompt, maxLength - completion);
        return kept.stream()
                .map(each -> new Kept(
                        each.promptBegin, each.promptBegin + promptLength, 0, Math.min(each.completionEnd, completion)))
                .toList();
    }

    /** As {@code infer_seqlen} of LLaMA-Factory: a part of less than half the length is kept whole. */
    private static int maxCompletion(int prompt, int completion, int maxLength) {
        if (2L * completion < maxLength) {
            return maxLength;
        }
        if (2L * prompt < maxLength) {
            return maxLength - prompt;
        }
        return (int) (maxLength * (completion / ((double) prompt + completion)));
    }

    private BadRow noRoom(int prompt) {
        return BadRow.leftOut(
                BadRow.Reason.PROMPT_TOO_LONG,
                "prompt has " + prompt + " tokens, which leaves no room in max_length " + maxLength);
    }

    /** Throws if a row of one text, without a prompt, is too long and rows are not cut. */
    public void checkWhole(int tokens) throws BadRow {
        if (maxPromptLength != null || maxCompletionLength != null) {
            throw new Dpo4jException((maxPromptLength != null ? "max_prompt_length" : "max_completion_length")
                    + " is set, but the rows have no prompt; set max_length");
        }
        if (!mode.isCut() && maxLength != null && tokens > maxLength) {
            throw tooLong("the sequence has " + tokens, "max_length " + maxLength, " (up to the model's positions)");
        }
    }

    private void checkLengths(int prompt, List<Integer> completions, List<String> names) throws BadRow {
        if (maxPromptLength != null && prompt > maxPromptLength) {
            throw tooLong("prompt has " + prompt, "max_prompt_length " + maxPromptLength, "");
        }
        for (int i = 0; i < completions.size(); i++) {
            int completion = completions.get(i);
            String name = names.get(i);
            if (maxCompletionLength != null && completion > maxCompletionLength) {
                throw tooLong(name + " has " + completion, "max_completion_length " + maxCompletionLength, "");
            }
            if (maxLength != null && prompt >= maxLength && mode == TruncationMode.RAISE) {
                throw new BadRow(
                        BadRow.Reason.PROMPT_TOO_LONG,
                        "prompt has " + prompt + " tokens, which leaves no room in max_length " + maxLength
                                + "; raise max_length, or leave such rows out with on_bad_row skip");
            }
            if (maxLength != null && (long) prompt + completion > maxLength) {
                throw tooLong(
                        "prompt with " + name + " has " + prompt + " + " + completion,
                        "max_length " + maxLength,
                        " (up to the model's positions)");
            }
        }
    }

    private BadRow tooLong(String what, String limit, String range) {
        String found = what + " tokens, more than " + limit;
        if (mode == TruncationMode.DROP) {
            return BadRow.leftOut(BadRow.Reason.TOO_LONG, found);
        }
        String option = limit.substring(0, limit.indexOf(' '));
        return new BadRow(
                BadRow.Reason.TOO_LONG,
                found + "; raise " + option + range + ", leave such rows out with truncation_mode drop, or cut them"
                        + " with truncation_mode keep_start");
    }

    private static int limited(int length, @Nullable Integer limit) {
        return limit == null ? length : Math.min(length, limit);
    }
}
