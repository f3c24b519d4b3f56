package org.dpo4j.data.chat.jinja;

import org.jspecify.annotations.Nullable;

/** A template that cannot be parsed or rendered: an error in Python too, or a construct that is refused. */
public final class TemplateError extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient @Nullable Position position;
    private final boolean isUndefined;

    private TemplateError(String message, @Nullable Position position, boolean isUndefined) {
        super(message, null, false, false);
        this.position = position;
        this.isUndefined = isUndefined;
    }

    TemplateError(String message) {
        this(message, null, false);
    }

    TemplateError(String message, Position position) {
        this(message, position, false);
    }

    /** A use of an undefined value, which Python's filters do not catch as they catch other errors. */
    static TemplateError undefined(String message) {
        return new TemplateError(message, null, true);
    }

    boolean isUndefined() {
        return isUndefined;
    }

    /** This error with a position, unless it has one. */
    TemplateError at(Position place) {
        return position != null ? this : new TemplateError(text(), place, isUndefined);
    }

    public @Nullable Position position() {
        return position;
    }

    public String text() {
        return String.valueOf(getMessage());
    }
}
