package org.dpo4j.data.chat.jinja;

/** Escapes in texts, as Python's codec unicode-escape reads them. */
final class StringLiteral {
    private final String text;
    private final StringBuilder out = new StringBuilder();
    private int at;

    private StringLiteral(String text) {
        this.text = text;
    }

    static String unescape(String text) {
        return text.indexOf('\\') < 0 ? text : new StringLiteral(text).run();
    }

    private String run() {
        while (at < text.length()) {
            char character = text.charAt(at++);
            if (character == '\\') {
                readEscape();
            } else {
                out.append(character);
            }
        }
        return out.toString();
    }

    private void readEscape() {
        int escaped = text.codePointAt(at);
        at += Character.charCount(escaped);
        switch (escaped) {
            case '\n' -> {
                // the line continues
            }
            case '\\', '\'', '"' -> out.append((char) escaped);
            case 'a' -> out.append('\u0007');
            case 'b' -> out.append('\b');
            case 'f' -> out.append('\f');
            case 'n' -> out.append('\n');
            case 'r' -> out.append('\r');
            case 't' -> out.append('\t');
            case 'v' -> out.append('\u000b');
            case 'x' -> readHex(2);
            case 'u' -> readHex(4);
            case 'U' -> readHex(8);
            case 'N' -> throw new TemplateError("\\N in a text is not supported");
            default -> readOther(escaped);
        }
    }

    private void readOther(int escaped) {
        if (escaped >= '0' && escaped <= '7') {
            int value = escaped - '0';
            for (int i = 0; i < 2 && at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '7'; i++) {
                value = value * 8 + text.charAt(at++) - '0';
            }
            out.append((char) value);
        } else if (escaped < 0x80) {
            out.append('\\').append((char) escaped);
        } else if (escaped < 0x100) {
            // jinja2 writes é as \xe9 before it reads escapes, so that the backslash in front escapes that one
            out.append(String.format("\\x%02x", escaped));
        } else {
            out.append(escaped < 0x10000 ? String.format("\\u%04x", escaped) : String.format("\\U%08x", escaped));
        }
    }

    private void readHex(int digits) {
        int end = at + digits;
        if (end > text.length() || !text.substring(at, end).matches("[0-9a-fA-F]*")) {
            throw new TemplateError("an escape in a text has fewer than " + digits + " digits");
        }
        long value = Long.parseLong(text.substring(at, end), 16);
        if (value > Character.MAX_CODE_POINT || value >= Character.MIN_SURROGATE && value <= Character.MAX_SURROGATE) {
            throw new TemplateError("an escape in a text is no character: " + Long.toHexString(value));
        }
        out.appendCodePoint((int) value);
        at = end;
    }
}
