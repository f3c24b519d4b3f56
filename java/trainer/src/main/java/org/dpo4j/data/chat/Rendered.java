package org.dpo4j.data.chat;

import java.util.List;

/**
 * A rendered conversation.
 *
 * @param text the text
 * @param generated the parts of the text that generation blocks printed: what an assistant says
 */
public record Rendered(String text, List<Span> generated) {
    /** Chars of the text, from begin up to end. */
    public record Span(int begin, int end) {}
}
