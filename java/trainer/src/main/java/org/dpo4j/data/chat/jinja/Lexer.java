package org.dpo4j.data.chat.jinja;

import java.math.BigInteger;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dpo4j.data.chat.jinja.Token.Kind;

/**
 * Splits a template into tokens, with trim_blocks (the line break behind a block is dropped), lstrip_blocks (so is white
 * space from the start of the line to a block) and without keep_trailing_newline.
 */
final class Lexer {
    private static final Pattern FLOAT =
            Pattern.compile("(?<!\\.)D((\\.D)?[eE][+-]?D|\\.D)".replace("D", "[0-9]++(?:_[0-9]++)*+"));
    private static final Pattern INTEGER =
            Pattern.compile("0[bB](_?[01])++|0[oO](_?[0-7])++|0[xX](_?[0-9a-fA-F])++|[1-9](_?[0-9])*+|0(_?0)*+");
    private static final Pattern NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");
    private static final List<String> OPERATORS = List.of(
            "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<",
            "=", ".", ":", "|", ",", ";");

    private final String source;
    private final List<Token> tokens = new ArrayList<>();
    private final List<Integer> lineStarts = new ArrayList<>();
    private int at;

    /** Whether the last thing that was read ends in a line break, or nothing was read. */
    private boolean isLineStart = true;

    private Lexer(String template) {
        String lines = template.replace("\r\n", "\n").replace('\r', '\n');
        source = lines.endsWith("\n") ? lines.substring(0, lines.length() - 1) : lines;
        lineStarts.add(0);
        for (int i = source.indexOf('\n'); i >= 0; i = source.indexOf('\n', i + 1)) {
            lineStarts.add(i + 1);
        }
    }

    static List<Token> tokens(String template) {
        return new Lexer(template).run();
    }

    private List<Token> run() {
        while (at < source.length()) {
            int tag = nextTag();
            if (tag < 0) {
                add(Kind.DATA, source.substring(at), at);
                at = source.length();
            } else {
                readTag(tag);
            }
        }
        add(Kind.END, "", at);
        return tokens;
    }

    private void add(Kind kind, Object value, int offset) {
        tokens.add(new Token(kind, value, position(offset)));
    }

    private Position position(int offset) {
        int low = 0;
        int high = lineStarts.size() - 1;
        while (low < high) {
            int middle = (low + high + 1) / 2;
            if (lineStarts.get(middle) <= offset) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return new Position(low + 1, offset - lineStarts.get(low) + 1);
    }

    private TemplateError error(String message, int offset) {
        return new TemplateError(message, position(offset));
    }

    private int nextTag() {
        for (int i = source.indexOf('{', at); i >= 0; i = source.indexOf('{', i + 1)) {
            char next = i + 1 < source.length() ? source.charAt(i + 1) : ' ';
            if (next == '{' || next == '%' || next == '#') {
                return i;
            }
        }
        return -1;
    }

    private boolean has(String text, int offset) {
        return source.startsWith(text, offset);
    }

    private int skipSpace(int offset) {
        int end = offset;
        while (end < source.length() && Unicode.isSpace(source.charAt(end))) {
            end++;
        }
        return end;
    }

    private char sign(int offset) {
        char sign = offset < source.length() ? source.charAt(offset) : ' ';
        return sign == '-' || sign == '+' ? sign : ' ';
    }

    private void readTag(int tag) {
        char kind = source.charAt(tag + 1);
        char sign = sign(tag + 2);
        int inside = tag + (sign == ' ' ? 2 : 3);
        addData(tag, sign, kind != '{');
        if (kind == '#') {
            at = inside;
            skipComment(tag);
        } else if (kind == '%' && rawEnd(inside) >= 0) {
            at = rawEnd(inside);
            isLineStart = source.charAt(at - 1) == '\n';
            readRaw(tag);
        } else {
            at = inside;
            add(kind == '{' ? Kind.VARIABLE_BEGIN : Kind.BLOCK_BEGIN, "", tag);
            readExpression(tag, kind == '{');
        }
    }

    /** Adds the text up to a tag, without the white space that its sign or lstrip_blocks drops. */
    private void addData(int end, char sign, boolean isBlock) {
        String text = source.substring(at, end);
        if (sign == '-') {
            text = Strings.rightStrip(text);
        } else if (sign != '+' && isBlock) {
            int line = text.lastIndexOf('\n') + 1;
            if ((line > 0 || isLineStart) && Unicode.all(text.substring(line), Unicode::isSpace)) {
                text = text.substring(0, line);
            }
        }
        if (!text.isEmpty()) {
            add(Kind.DATA, text, at);
        }
    }

    /** Ends a tag at its last character, and skips the white space that its sign or trim_blocks drops. */
    private void endTag(int end, char sign, boolean isBlock) {
        at = end;
        if (sign == '-') {
            at = skipSpace(at);
        } else if (sign != '+' && isBlock && has("\n", at)) {
            at++;
        }
        isLineStart = source.charAt(at - 1) == '\n';
    }

    private void skipComment(int tag) {
        int end = source.indexOf("#}", at);
        if (end < 0) {
            throw error("this comment has no end", tag);
        }
        endTag(end + 2, end > at ? sign(end - 1) : ' ', true);
    }

    /** Where the content of a raw block begins, if this is its tag; else -1. */
    private int rawEnd(int inside) {
        int name = skipSpace(inside);
        if (!has("raw", name)) {
            return -1;
        }
        int end = skipSpace(name + 3);
        if (has("-%}", end)) {
            return skipSpace(end + 3);
        }
        return has("%}", end) ? end + 2 : -1;
    }

    private void readRaw(int tag) {
        for (int i = source.indexOf("{%", at); i >= 0; i = source.indexOf("{%", i + 1)) {
            char sign = sign(i + 2);
            int name = skipSpace(i + (sign == ' ' ? 2 : 3));
            int end = has("endraw", name) ? skipSpace(name + 6) : -1;
            if (end < 0) {
                continue;
            }
            char endSign = sign(end);
            int close = endSign == ' ' ? end : end + 1;
            if (has("%}", close)) {
                addData(i, sign, true);
                endTag(close + 2, endSign, true);
                return;
            }
        }
        throw error("this raw block has no end", tag);
    }

    private void readExpression(int tag, boolean isVariable) {
        Deque<String> open = new ArrayDeque<>();
        while (at < source.length()) {
            if (open.isEmpty() && readEnd(isVariable)) {
                return;
            }
            int space = skipSpace(at);
            if (space > at) {
                at = space;
            } else {
                readToken(open);
            }
        }
    }

    private boolean readEnd(boolean isVariable) {
        char sign = isVariable && has("+", at) ? ' ' : sign(at);
        int end = sign == ' ' ? at : at + 1;
        if (!has(isVariable ? "}}" : "%}", end)) {
            return false;
        }
        add(isVariable ? Kind.VARIABLE_END : Kind.BLOCK_END, "", at);
        endTag(end + 2, sign, !isVariable);
        return true;
    }

    private void readToken(Deque<String> open) {
        int start = at;
        Matcher matcher = FLOAT.matcher(source);
        matcher.useTransparentBounds(true).useAnchoringBounds(false).region(at, source.length());
        if (matcher.lookingAt()) {
            at = matcher.end();
            double number = Double.parseDouble(matcher.group().replace("_", ""));
            if (Double.isInfinite(number)) {
                throw error("a number that is infinite is not supported", start);
            }
            add(Kind.NUMBER, number, start);
            return;
        }
        matcher.usePattern(INTEGER);
        if (matcher.lookingAt()) {
            at = matcher.end();
            add(Kind.NUMBER, integer(matcher.group().replace("_", ""), start), start);
            return;
        }
        matcher.usePattern(NAME);
        if (matcher.lookingAt()) {
            at = matcher.end();
            if (at < source.length() && source.charAt(at) > 0x7f && !Unicode.isSpace(source.charAt(at))) {
                throw error("a name with characters beyond ASCII is not supported", start);
            }
            add(Kind.NAME, matcher.group(), start);
            return;
        }
        char first = source.charAt(at);
        if (first == '"' || first == '\'') {
            readString(first);
        } else {
            readOperator(open);
        }
    }

    private Object integer(String digits, int start) {
        if (digits.length() > Text.MAX_DIGITS) {
            throw error("a whole number of more than " + Text.MAX_DIGITS + " digits", start);
        }
        String prefix = digits.length() > 1 ? digits.substring(0, 2).toLowerCase(Locale.ROOT) : "";
        int radix = switch (prefix) {
            case "0b" -> 2;
            case "0o" -> 8;
            case "0x" -> 16;
            default -> 10;
        };
        try {
            return Arithmetic.normalise(new BigInteger(radix == 10 ? digits : digits.substring(2), radix));
        } catch (TemplateError e) {
            throw e.at(position(start));
        }
    }

    private void readString(char quote) {
        int start = at;
        int end = at + 1;
        while (end < source.length() && source.charAt(end) != quote) {
            end += source.charAt(end) == '\\' ? 2 : 1;
        }
        if (end >= source.length()) {
            throw error("this text has no end", start);
        }
        at = end + 1;
        try {
            add(Kind.STRING, StringLiteral.unescape(source.substring(start + 1, end)), start);
        } catch (TemplateError e) {
            throw e.at(position(start));
        }
    }

    private void readOperator(Deque<String> open) {
        for (String operator : OPERATORS) {
            if (has(operator, at)) {
                balance(operator, open);
                add(Kind.OPERATOR, operator, at);
                at += operator.length();
                return;
            }
        }
        throw error("unexpected character '" + Character.toString(source.codePointAt(at)) + "'", at);
    }

    private void balance(String operator, Deque<String> open) {
        switch (operator) {
            case "{" -> open.push("}");
            case "(" -> open.push(")");
            case "[" -> open.push("]");
            case "}", ")", "]" -> {
                if (open.isEmpty() || !open.pop().equals(operator)) {
                    throw error("unexpected '" + operator + "'", at);
                }
            }
            default -> {
                // no bracket
            }
        }
    }
}
