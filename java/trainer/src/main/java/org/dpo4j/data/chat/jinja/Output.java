package org.dpo4j.data.chat.jinja;

import java.util.List;

/** A rendered text, and the spans that generation blocks printed. */
public record Output(String text, List<Span> generated) {
    /** Chars of a text, from begin up to end. */
    public record Span(int begin, int end) {}
}
