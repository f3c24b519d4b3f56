package org.dpo4j.data.source;

import org.jspecify.annotations.Nullable;

/**
 * A row that cannot be used. It never leaves this package: readers turn it into an error that names file and line, or
 * count it.
 */
public final class BadRow extends Exception {
    private static final long serialVersionUID = 1L;

    /** Why a row cannot be used, as reports state it. */
    public enum Reason {
        MALFORMED("malformed JSON"),
        UNKNOWN_FORMAT("unknown format"),
        AMBIGUOUS("several readings"),
        BAD_VALUE("a value of a wrong type"),
        NOT_TEXT("images or other parts that are not text"),
        MIXED_FORMAT("another format than the rows before"),
        CHAT_TEMPLATE("refused by the chat template"),
        NO_TARGETS("no token that assistant_only_loss learns"),
        CALLS_LEFT_OUT("calls of functions that the chat template leaves out"),
        PROMPT_DIFFERS("the chat template renders the prompt otherwise with an answer"),
        NO_SHARED_PROMPT("no shared prompt"),
        EMPTY_PROMPT("empty prompt"),
        PROMPT_MERGES("prompt merges with the completion's first token"),
        EMPTY_COMPLETION("empty completion"),
        IDENTICAL_SIDES("identical sides"),
        NO_PREFERENCE("no answer better than another"),
        REFERENCE_OF_WHOLE_ROW("log-probs of the reference of a row that is cut"),
        UNWRITABLE("not to be written in this shape"),
        REPEATED("same as an earlier row"),
        CONTRADICTED("contradicts another row"),
        TEXT_TOO_LONG("a text with too many characters"),
        OUTSIDE_VOCABULARY("token id outside the vocabulary"),
        UNKNOWN_TEXT("text without tokens in the vocabulary"),
        PROMPT_TOO_LONG("prompt fills max_length"),
        TOO_LONG("longer than max_length");

        private final String text;

        Reason(String text) {
            this.text = text;
        }

        @Override
        public String toString() {
            return text;
        }
    }

    private final Reason reason;
    private final boolean isByOption;
    private final @Nullable String text;

    /** A row that {@code on_bad_row} decides about. */
    public BadRow(Reason reason, String message) {
        this(reason, message, false, null);
    }

    private BadRow(Reason reason, String message, boolean isByOption, @Nullable String text) {
        super(message);
        this.reason = reason;
        this.isByOption = isByOption;
        this.text = text;
    }

    /** A row that is not JSON. {@code text} is what the file has instead. */
    public static BadRow malformed(String message, String text) {
        return new BadRow(Reason.MALFORMED, message, false, text);
    }

    /** A row that has {@code what}, for which the shape in which it is to be written has no place. */
    public static BadRow unwritable(String what) {
        return new BadRow(Reason.UNWRITABLE, "it has " + what + "; convert it to another shape");
    }

    /** A row that is left out whatever {@code on_bad_row} is: another option says so, or it is no mistake in the data. */
    public static BadRow leftOut(Reason reason, String message) {
        return new BadRow(reason, message, true, null);
    }

    /** Whether the row is left out whatever {@code on_bad_row} is. */
    public boolean isByOption() {
        return isByOption;
    }

    /** What the file has instead of a row; null if it has a row. */
    public @Nullable String text() {
        return text;
    }

    public Reason reason() {
        return reason;
    }
}
