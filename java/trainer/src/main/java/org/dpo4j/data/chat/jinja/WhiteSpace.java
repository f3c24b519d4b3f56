package org.dpo4j.data.chat.jinja;

/** Python's strip and rstrip, for what prepares conversations. */
public final class WhiteSpace {
    private WhiteSpace() {}

    public static String strip(String text) {
        return Strings.strip(text, null, true, true);
    }

    public static String stripEnd(String text) {
        return Strings.rightStrip(text);
    }
}
