package org.dpo4j.data.chat.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Iterator;
import java.util.List;

/** The texts of Python's values: str() and repr(). */
final class Text {
    /** Longer texts are refused. */
    static final int MAX_LENGTH = 1 << 24;

    /** Python refuses to print a longer whole number. */
    static final int MAX_DIGITS = 4300;

    private Text() {}

    static String str(Object value) {
        if (value instanceof String text) {
            return text;
        }
        if (value instanceof Markup markup) {
            return markup.text();
        }
        return value instanceof Undefined ? "" : repr(value);
    }

    static String repr(Object value) {
        if (value instanceof Long number) {
            return Long.toString(number);
        }
        StringBuilder text = new StringBuilder();
        appendRepr(value, text);
        return text.toString();
    }

    private static void appendRepr(Object value, StringBuilder out) {
        if (out.length() > MAX_LENGTH) {
            throw new TemplateError("a text of more than " + MAX_LENGTH + " characters");
        }
        if (value instanceof String text) {
            appendQuoted(text, out);
        } else if (value instanceof Long) {
            out.append(value);
        } else if (value instanceof Boolean isTrue) {
            out.append(isTrue ? "True" : "False");
        } else if (value instanceof None) {
            out.append("None");
        } else if (value instanceof Double number) {
            out.append(number(number));
        } else if (value instanceof BigInteger number) {
            out.append(number(number));
        } else if (value instanceof List<?> list) {
            appendItems("[", list, "]", out);
        } else if (value instanceof Tuple tuple) {
            appendItems("(", tuple.items(), tuple.items().size() == 1 ? ",)" : ")", out);
        } else if (value instanceof Dict dict) {
            appendDict(dict, out);
        } else if (value instanceof DictView view) {
            appendItems(view.kind().typeName + "([", view.list(), "])", out);
        } else if (value instanceof Markup markup) {
            out.append("Markup(");
            appendQuoted(markup.text(), out);
            out.append(')');
        } else if (value instanceof Range range) {
            out.append("range(").append(range.start).append(", ").append(range.stop);
            out.append(range.step == 1 ? ")" : ", " + range.step + ")");
        } else if (value instanceof Undefined) {
            out.append("Undefined");
        } else if (value instanceof PyObject object) {
            out.append(object.repr());
        } else {
            throw new TemplateError("the text of an iterator is not supported: it holds an address in Python");
        }
    }

    private static void appendItems(String open, List<?> items, String close, StringBuilder out) {
        out.append(open);
        String separator = "";
        for (Object item : items) {
            out.append(separator);
            appendRepr(item, out);
            separator = ", ";
        }
        out.append(close);
    }

    private static void appendDict(Dict dict, StringBuilder out) {
        out.append('{');
        Iterator<Object> values = dict.values().iterator();
        String separator = "";
        for (Object key : dict.keys()) {
            out.append(separator);
            appendRepr(key, out);
            out.append(": ");
            appendRepr(values.next(), out);
            separator = ", ";
        }
        out.append('}');
    }

    static String number(BigInteger number) {
        String digits = number.toString();
        if (digits.length() > MAX_DIGITS + (number.signum() < 0 ? 1 : 0)) {
            throw new TemplateError("a whole number of more than " + MAX_DIGITS + " digits");
        }
        return digits;
    }

    /** The shortest decimal that reads back as the same number, as Python's repr: 0.1, 1e+16, 1e-05. */
    static String number(double number) {
        if (Double.isNaN(number)) {
            return "nan";
        }
        if (Double.isInfinite(number)) {
            return number > 0 ? "inf" : "-inf";
        }
        if (number == 0) {
            return 1 / number < 0 ? "-0.0" : "0.0";
        }
        BigDecimal decimal = shortest(Math.abs(number)).stripTrailingZeros();
        String digits = decimal.unscaledValue().toString();
        int point = digits.length() - decimal.scale();
        String sign = number < 0 ? "-" : "";
        if (point > 16 || point <= -4) {
            int exponent = point - 1;
            String power = (exponent < 0 ? "-" : "+") + (Math.abs(exponent) < 10 ? "0" : "") + Math.abs(exponent);
            return sign + digits.charAt(0) + (digits.length() > 1 ? "." + digits.substring(1) : "") + "e" + power;
        }
        if (point <= 0) {
            return sign + "0." + "0".repeat(-point) + digits;
        }
        return sign
                + (point >= digits.length()
                        ? digits + "0".repeat(point - digits.length()) + ".0"
                        : digits.substring(0, point) + "." + digits.substring(point));
    }

    /** Double.toString of Java 17 is not always the shortest. */
    private static BigDecimal shortest(double number) {
        BigDecimal exact = new BigDecimal(number);
        for (int digits = 15; digits < 17; digits++) {
            for (RoundingMode mode : List.of(RoundingMode.HALF_EVEN, RoundingMode.DOWN, RoundingMode.UP)) {
                BigDecimal rounded = exact.round(new MathContext(digits, mode));
                if (rounded.doubleValue() == number) {
                    return rounded;
                }
            }
        }
        return exact.round(new MathContext(17, RoundingMode.HALF_EVEN));
    }

    private static void appendQuoted(String text, StringBuilder out) {
        char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
        out.append(quote);
        for (int i = 0; i < text.length(); ) {
            int character = text.codePointAt(i);
            i += Character.charCount(character);
            if (character == quote || character == '\\') {
                out.append('\\').append((char) character);
            } else if (character == '\n') {
                out.append("\\n");
            } else if (character == '\r') {
                out.append("\\r");
            } else if (character == '\t') {
                out.append("\\t");
            } else if (Unicode.isPrintable(character)) {
                out.appendCodePoint(character);
            } else {
                appendEscaped(character, out);
            }
        }
        out.append(quote);
    }

    private static void appendEscaped(int character, StringBuilder out) {
        if (character < 0x100) {
            out.append(String.format("\\x%02x", character));
        } else if (character < 0x10000) {
            out.append(String.format("\\u%04x", character));
        } else {
            out.append(String.format("\\U%08x", character));
        }
    }

    /** A text, or the error of a function that takes only texts. */
    static String expect(Object value, String what) {
        if (value instanceof String text) {
            return text;
        }
        if (value instanceof Markup) {
            throw new TemplateError(what + " of a text marked by safe or escape is not supported");
        }
        throw new TemplateError(what + " must be a text, not " + Types.name(value));
    }

    static String checkLength(String text) {
        checkLength(text.length());
        return text;
    }

    static void checkLength(long length) {
        if (length > MAX_LENGTH) {
            throw new TemplateError("a text or list of " + length + " elements, more than " + MAX_LENGTH);
        }
    }
}
