package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/** Operations on texts that methods and filters share: stripping, splitting, joining, replacing, cases. */
final class Strings {
    private Strings() {}

    static String strip(String text, @Nullable Object characters, boolean left, boolean right) {
        IntPredicate isStripped = stripped(characters);
        int start = 0;
        int end = text.length();
        while (left && start < end && isStripped.test(text.codePointAt(start))) {
            start += Character.charCount(text.codePointAt(start));
        }
        while (right && start < end && isStripped.test(text.codePointBefore(end))) {
            end -= Character.charCount(text.codePointBefore(end));
        }
        return text.substring(start, end);
    }

    private static IntPredicate stripped(@Nullable Object characters) {
        if (characters == null || characters instanceof None) {
            return Unicode::isSpace;
        }
        String set = Text.expect(characters, "the characters to strip");
        return character -> set.indexOf(character) >= 0;
    }

    static String rightStrip(String text) {
        return strip(text, null, false, true);
    }

    /** str.split, with a separator or at white space. */
    static List<Object> split(String text, Object separator, long max) {
        return separator instanceof None
                ? splitAtSpace(text, max)
                : splitAt(text, Text.expect(separator, "the separator"), max);
    }

    private static List<Object> splitAtSpace(String text, long max) {
        List<Object> parts = new ArrayList<>();
        int at = 0;
        while (true) {
            while (at < text.length() && Unicode.isSpace(text.charAt(at))) {
                at++;
            }
            if (at == text.length()) {
                return parts;
            }
            if (max >= 0 && parts.size() >= max) {
                parts.add(text.substring(at));
                return parts;
            }
            int end = at;
            while (end < text.length() && !Unicode.isSpace(text.charAt(end))) {
                end++;
            }
            parts.add(text.substring(at, end));
            at = end;
        }
    }

    private static List<Object> splitAt(String text, String separator, long max) {
        requireSeparator(checkSearch(text, separator));
        List<Object> parts = new ArrayList<>();
        int at = 0;
        int next = text.indexOf(separator);
        while (next >= 0 && (max < 0 || parts.size() < max)) {
            parts.add(text.substring(at, next));
            at = next + separator.length();
            next = text.indexOf(separator, at);
        }
        parts.add(text.substring(at));
        return parts;
    }

    /** Java searches a text naively; two long texts that repeat themselves could take hours. */
    static String checkSearch(String text, String searched) {
        if ((long) text.length() * searched.length() > 1L << 33) {
            throw new TemplateError("a search for " + searched.length() + " characters in " + text.length());
        }
        return searched;
    }

    private static void requireSeparator(String separator) {
        if (separator.isEmpty()) {
            throw new TemplateError("a text is split at an empty separator");
        }
    }

    static List<Object> rightSplit(String text, Object separator, long max) {
        if (max < 0) {
            return split(text, separator, -1);
        }
        List<Object> parts = new ArrayList<>();
        int end = text.length();
        if (separator instanceof None) {
            return rightSplitAtSpace(text, max);
        }
        String between = Text.expect(separator, "the separator");
        requireSeparator(checkSearch(text, between));
        int next = text.lastIndexOf(between);
        while (next >= 0 && parts.size() < max) {
            parts.add(0, text.substring(next + between.length(), end));
            end = next;
            next = end >= between.length() ? text.lastIndexOf(between, end - between.length()) : -1;
        }
        parts.add(0, text.substring(0, end));
        return parts;
    }

    private static List<Object> rightSplitAtSpace(String text, long max) {
        List<Object> parts = new ArrayList<>();
        int end = text.length();
        while (true) {
            while (end > 0 && Unicode.isSpace(text.charAt(end - 1))) {
                end--;
            }
            if (end == 0) {
                return parts;
            }
            if (parts.size() >= max) {
                parts.add(0, text.substring(0, end));
                return parts;
            }
            int start = end;
            while (start > 0 && !Unicode.isSpace(text.charAt(start - 1))) {
                start--;
            }
            parts.add(0, text.substring(start, end));
            end = start;
        }
    }

    static List<Object> lines(String text, boolean keepEnds) {
        List<Object> lines = new ArrayList<>();
        int start = 0;
        while (start < text.length()) {
            int end = start;
            while (end < text.length() && !Unicode.isLineBreak(text.charAt(end))) {
                end++;
            }
            int next = end;
            if (end < text.length()) {
                next += text.startsWith("\r\n", end) ? 2 : 1;
            }
            lines.add(text.substring(start, keepEnds ? next : end));
            start = next;
        }
        return lines;
    }

    static String join(String separator, Iterator<Object> items) {
        StringBuilder joined = new StringBuilder();
        boolean isFirst = true;
        while (items.hasNext()) {
            if (!isFirst) {
                joined.append(separator);
            }
            isFirst = false;
            joined.append(Text.str(items.next()));
            Text.checkLength(joined.length());
        }
        return joined.toString();
    }

    static String replace(String text, String old, String replacement, long max) {
        if (max == 0 || old.equals(replacement)) {
            return text;
        }
        if (old.isEmpty()) {
            return interleave(text, replacement, max);
        }
        int next = text.indexOf(checkSearch(text, old));
        if (next < 0) {
            return text;
        }
        StringBuilder out = new StringBuilder();
        int at = 0;
        for (long count = 0; next >= 0 && (max < 0 || count < max); count++) {
            out.append(text, at, next).append(replacement);
            Text.checkLength(out.length());
            at = next + old.length();
            next = text.indexOf(old, at);
        }
        return Text.checkLength(out.append(text, at, text.length()).toString());
    }

    private static String interleave(String text, String replacement, long max) {
        StringBuilder out = new StringBuilder();
        long count = 0;
        int at = 0;
        while (max < 0 || count < max) {
            out.append(replacement);
            Text.checkLength(out.length());
            count++;
            if (at == text.length()) {
                return out.toString();
            }
            out.appendCodePoint(text.codePointAt(at));
            at += Character.charCount(text.codePointAt(at));
        }
        return Text.checkLength(out.append(text, at, text.length()).toString());
    }

    static String capitalize(String text) {
        if (text.isEmpty()) {
            return text;
        }
        int first = text.codePointAt(0);
        return Unicode.title(first) + Unicode.lowerInside(text.substring(Character.charCount(first)));
    }

    /** str.title: the first letter of each run of cased characters. */
    static String title(String text) {
        StringBuilder out = new StringBuilder();
        boolean isInside = false;
        for (int character : text.codePoints().toArray()) {
            out.append(isInside ? Unicode.lowerInside(Character.toString(character)) : Unicode.title(character));
            isInside = Unicode.isCased(character);
        }
        return out.toString();
    }

    static String swapCase(String text) {
        StringBuilder out = new StringBuilder();
        for (int character : text.codePoints().toArray()) {
            String one = Character.toString(character);
            boolean isUpper = Character.isUpperCase(character);
            out.append(
                    isUpper ? Unicode.lowerInside(one) : Character.isLowerCase(character) ? Unicode.upper(one) : one);
        }
        return out.toString();
    }

    static boolean isLower(String text) {
        return hasCase(text, Character::isLowerCase);
    }

    static boolean isUpper(String text) {
        return hasCase(text, Character::isUpperCase);
    }

    private static boolean hasCase(String text, IntPredicate test) {
        boolean hasAny = false;
        for (int character : text.codePoints().toArray()) {
            if (Unicode.isCased(character) && !test.test(character)) {
                return false;
            }
            hasAny |= test.test(character);
        }
        return hasAny;
    }

    static boolean isTitle(String text) {
        boolean hasAny = false;
        boolean isInside = false;
        for (int character : text.codePoints().toArray()) {
            boolean isStart = Character.isUpperCase(character) || Character.isTitleCase(character);
            if (isStart == isInside && Unicode.isCased(character)) {
                return false;
            }
            isInside = Unicode.isCased(character);
            hasAny |= isInside;
        }
        return hasAny;
    }

    /** str.center puts the odd space to the left if the width is odd. */
    static String center(String text, long width, String fill) {
        if (width <= Unicode.length(text)) {
            return text;
        }
        Text.checkLength(width);
        long missing = width - Unicode.length(text);
        int left = (int) (missing / 2 + (missing & width & 1));
        return fill.repeat(left) + text + fill.repeat((int) missing - left);
    }

    static String justify(String text, long width, String fill, boolean isLeft) {
        if (width <= Unicode.length(text)) {
            return text;
        }
        Text.checkLength(width);
        long missing = width - Unicode.length(text);
        String padding = fill.repeat((int) missing);
        return isLeft ? text + padding : padding + text;
    }
}
