package org.dpo4j.data.source;

import java.util.regex.Pattern;

/** Patterns of file names, as fsspec reads them: {@code *} stays in a directory, {@code **} does not. */
final class Glob {
    private Glob() {}

    static boolean isPattern(String text) {
        return text.contains("*") || text.contains("?") || text.contains("[");
    }

    /** Matches names with slashes. A name without wildcards also matches the files of that directory. */
    static Pattern compile(String glob) {
        String text = glob.replaceFirst("^(\\./+)+", "").replaceFirst("/+$", "");
        StringBuilder regex = new StringBuilder();
        for (int i = 0; i < text.length(); ) {
            if (text.startsWith("**/", i)) {
                regex.append("(?:.*/)?");
                i += 3;
            } else if (text.startsWith("**", i)) {
                regex.append(".*");
                i += 2;
            } else {
                int close = text.charAt(i) == '[' ? text.indexOf(']', i + 2) : -1;
                regex.append(close < 0 ? one(text.charAt(i)) : characters(text.substring(i + 1, close)));
                i = close < 0 ? i + 1 : close + 1;
            }
        }
        return Pattern.compile(isPattern(text) ? regex.toString() : regex + "(/.*)?");
    }

    private static String one(char c) {
        return c == '*' ? "[^/]*" : c == '?' ? "[^/]" : Pattern.quote(String.valueOf(c));
    }

    private static String characters(String inside) {
        String negated = inside.startsWith("!") ? "^" + inside.substring(1) : inside;
        return "[" + negated.replace("\\", "\\\\").replace("[", "\\[").replace("&&", "&\\&") + "]";
    }
}
