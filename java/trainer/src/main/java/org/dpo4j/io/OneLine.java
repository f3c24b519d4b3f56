package org.dpo4j.io;

import java.util.Locale;

/** Text of files and file names in messages. */
public final class OneLine {
    private OneLine() {}

    /**
     * Replaces control and format characters by their code points. The message then stays one readable line, and a file
     * cannot send commands to the terminal.
     */
    public static String visible(String text) {
        StringBuilder visible = new StringBuilder();
        text.codePoints().forEach(c -> {
            int type = Character.getType(c);
            if (Character.isISOControl(c)
                    || type == Character.FORMAT
                    || type == Character.LINE_SEPARATOR
                    || type == Character.PARAGRAPH_SEPARATOR) {
                visible.append(String.format(Locale.ROOT, "U+%04X", c));
            } else {
                visible.appendCodePoint(c);
            }
        });
        return visible.toString();
    }
}
