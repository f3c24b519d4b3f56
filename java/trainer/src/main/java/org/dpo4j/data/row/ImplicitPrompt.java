package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.node.ArrayNode;
import java.util.List;
import org.dpo4j.data.source.BadRow;

/** Finds the prompt of rows whose chosen and rejected both begin with it. */
final class ImplicitPrompt {
    private static final String ASSISTANT = "\n\nAssistant:";

    private ImplicitPrompt() {}

    /**
     * The prompt of texts. Transcripts as in Anthropic's HH data have it up to and including the last {@code
     * "\n\nAssistant:"} of {@code chosen}. Else it is the longest common beginning, without the start of a word on which
     * it ends and without a last space; both completions have at least one character.
     */
    static Content.Text split(String chosen, String rejected) throws BadRow {
        if (chosen.isEmpty() || rejected.isEmpty()) {
            throw new BadRow(BadRow.Reason.EMPTY_COMPLETION, (chosen.isEmpty() ? "chosen" : "rejected") + " is empty");
        }
        int turn = chosen.lastIndexOf(ASSISTANT);
        if (turn < 0 && chosen.equals(rejected)) {
            throw new BadRow(
                    BadRow.Reason.NO_SHARED_PROMPT,
                    "there is no prompt, and chosen and rejected are the same, so where the prompt ends is not known; add a"
                            + " prompt");
        }
        int end = turn < 0 ? boundary(chosen, rejected) : turn + ASSISTANT.length();
        if (turn >= 0 && !rejected.startsWith(chosen.substring(0, end))) {
            throw new BadRow(
                    BadRow.Reason.NO_SHARED_PROMPT,
                    "chosen and rejected differ before the last \"\\n\\nAssistant:\" of chosen; only the last answer"
                            + " may differ");
        }
        if (end == 0) {
            throw new BadRow(
                    BadRow.Reason.NO_SHARED_PROMPT,
                    "there is no prompt, and chosen and rejected do not begin with the same word; add a prompt");
        }
        return new Content.Text(chosen.substring(0, end), List.of(chosen.substring(end), rejected.substring(end)));
    }

    private static int boundary(String chosen, String rejected) {
        int shorter = Math.min(chosen.length(), rejected.length());
        int end = 0;
        while (end < shorter && chosen.charAt(end) == rejected.charAt(end)) {
            end++;
        }
        boolean isPrefix = end == shorter;
        if (isPrefix) {
            end--; // a completion needs a character
        }
        while (end > 0 && (isInWord(chosen, end) || isInWord(rejected, end))) {
            end--;
        }
        return end > 0 && chosen.charAt(end - 1) == ' ' ? end - 1 : end;
    }

    /** Whether the characters before and behind {@code place} belong to one word, or are halves of one character. */
    private static boolean isInWord(String text, int place) {
        int behind = text.codePointAt(place);
        int before = text.codePointBefore(place);
        return Character.isSurrogatePair(text.charAt(place - 1), text.charAt(place))
                || (Character.isLetterOrDigit(before) || isMark(before))
                        && (Character.isLetterOrDigit(behind) || isMark(behind));
    }

    private static boolean isMark(int character) {
        int type = Character.getType(character);
        return type == Character.NON_SPACING_MARK || type == Character.COMBINING_SPACING_MARK || character == '\'';
    }

    /** The prompt of conversations: the messages that both begin with. The answer behind them is the assistant's. */
    static int length(ArrayNode chosen, ArrayNode rejected) throws BadRow {
        int common = Math.min(Messages.common(chosen, rejected), Math.min(chosen.size(), rejected.size()) - 1);
        if (common == 0) {
            throw new BadRow(
                    BadRow.Reason.NO_SHARED_PROMPT,
                    "there is no prompt, and chosen and rejected do not begin with the same message; add a prompt");
        }
        if (!Messages.isAssistant(chosen, common) || !Messages.isAssistant(rejected, common)) {
            throw new BadRow(
                    BadRow.Reason.NO_SHARED_PROMPT,
                    "chosen and rejected differ in message " + (common + 1) + ", of " + Messages.role(chosen, common)
                            + " and " + Messages.role(rejected, common)
                            + "; they may differ only from an answer of the assistant on");
        }
        return common;
    }
}
