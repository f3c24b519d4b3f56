package org.dpo4j.io;

/** Text in HTML pages. */
public final class HtmlText {
    private HtmlText() {}

    /**
     * The text with the characters that HTML reads as markup written as references, for content and for attributes in
     * quotes. Control characters that HTML does not allow become U+FFFD.
     */
    public static String escaped(String text) {
        StringBuilder escaped = new StringBuilder(text.length() + 16);
        text.codePoints().forEach(c -> {
            switch (c) {
                case '&' -> escaped.append("&amp;");
                case '<' -> escaped.append("&lt;");
                case '>' -> escaped.append("&gt;");
                case '"' -> escaped.append("&quot;");
                case '\'' -> escaped.append("&#39;");
                default -> escaped.appendCodePoint(isForbidden(c) ? 0xfffd : c);
            }
        });
        return escaped.toString();
    }

    private static boolean isForbidden(int c) {
        boolean isControl = c < ' ' && c != '\n' && c != '\t' && c != '\r' || c >= 0x7f && c < 0xa0;
        return isControl || c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE;
    }
}
