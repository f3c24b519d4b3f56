package org.dpo4j.data.chat.jinja;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Python's formatting of texts by %: the conversions s, r, d, i, u, f, F, x, X, o and %. */
final class PercentFormat {
    private static final Pattern SPECIFIER = Pattern.compile(
            "%(?:\\(([^()]*)\\))?([-+ 0#]*)(\\*|[0-9]*)(?:\\.(\\*|[0-9]*))?([hlL]?)(.?)", Pattern.DOTALL);

    private static final int MAX_WIDTH = 10_000;

    private final Object values;
    private final List<Object> sequence;
    private int used;
    private boolean isMapping;

    private PercentFormat(Object values) {
        this.values = values;
        sequence = values instanceof Tuple tuple ? tuple.items() : List.of(values);
    }

    static String format(String format, Object values) {
        return new PercentFormat(values).format(format);
    }

    private String format(String format) {
        Matcher matcher = SPECIFIER.matcher(format);
        StringBuilder out = new StringBuilder();
        int end = 0;
        while (matcher.find()) {
            out.append(format, end, matcher.start()).append(convert(matcher));
            end = matcher.end();
        }
        boolean isUnused =
                used < sequence.size() && !(values instanceof Dict) && !(values instanceof List) && !isMapping;
        if (isUnused) {
            throw new TemplateError("the format '" + format + "' does not use all of its values");
        }
        if (values instanceof List && used == 0 && !isMapping) {
            throw new TemplateError("the format of a list without a conversion is not supported");
        }
        return Text.checkLength(out.append(format, end, format.length()).toString());
    }

    private String convert(Matcher specifier) {
        String conversion = specifier.group(6);
        String flags = specifier.group(2);
        if (conversion.equals("%") && specifier.group().equals("%%")) {
            return "%";
        }
        if (conversion.isEmpty() || "srdiufFxXo".indexOf(conversion.charAt(0)) < 0) {
            throw new TemplateError("the conversion '" + specifier.group() + "' of a format is not supported");
        }
        if (specifier.group(3).equals("*") || "*".equals(specifier.group(4)) || flags.contains("#")) {
            throw new TemplateError("* and # in a format are not supported");
        }
        int width = number(specifier.group(3));
        String precision = specifier.group(4);
        Object value = value(specifier.group(1));
        String text = convert(conversion.charAt(0), value, precision == null ? -1 : number(precision));
        boolean isNumber = conversion.charAt(0) != 's' && conversion.charAt(0) != 'r';
        return pad(isNumber ? sign(text, flags) : text, width, flags, isNumber);
    }

    private static int number(String digits) {
        if (digits.isEmpty()) {
            return 0;
        }
        if (digits.length() > 6 || Integer.parseInt(digits) > MAX_WIDTH) {
            throw new TemplateError("a width of " + digits + " in a format");
        }
        return Integer.parseInt(digits);
    }

    private Object value(@Nullable String key) {
        if (key != null) {
            isMapping = true;
            Object value = values instanceof Dict dict ? dict.getText(key) : null;
            if (value == null) {
                throw new TemplateError("the format needs a value named " + key);
            }
            return value;
        }
        if (isMapping || used >= sequence.size()) {
            throw new TemplateError("a format has more conversions than values");
        }
        return sequence.get(used++);
    }

    private static String convert(char conversion, Object value, int precision) {
        return switch (conversion) {
            case 's' -> cut(Text.str(value), precision);
            case 'r' -> cut(Text.repr(value), precision);
            case 'f', 'F' -> fixed(value, precision < 0 ? 6 : precision);
            default -> whole(conversion, value, precision);
        };
    }

    private static String cut(String text, int precision) {
        return precision < 0 || Unicode.length(text) <= precision
                ? text
                : text.substring(0, text.offsetByCodePoints(0, precision));
    }

    private static String fixed(Object value, int precision) {
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        }
        if (!Compare.isNumber(value)) {
            throw new TemplateError("the conversion %f needs a number, not " + Types.name(value));
        }
        double number = Arithmetic.finite(Arithmetic.toDouble(value));
        String text = new BigDecimal(Math.abs(number))
                .setScale(precision, RoundingMode.HALF_EVEN)
                .toPlainString();
        return (number < 0 || 1 / number < 0 ? "-" : "") + text;
    }

    private static String whole(char conversion, Object value, int precision) {
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        }
        Object number = value;
        if (value instanceof Double real && "diu".indexOf(conversion) >= 0) {
            number = Arithmetic.normalise(new BigDecimal(Arithmetic.finite(real)).toBigInteger());
        }
        if (!Arithmetic.isWhole(number) || precision >= 0) {
            throw new TemplateError("the conversion %" + conversion + (precision >= 0 ? " with a precision" : "")
                    + " of a value of type " + Types.name(value) + " is not supported");
        }
        return switch (conversion) {
            case 'x' -> Arithmetic.whole(number).toString(16);
            case 'X' -> Unicode.upper(Arithmetic.whole(number).toString(16));
            case 'o' -> Arithmetic.whole(number).toString(8);
            default -> Text.number(Arithmetic.whole(number));
        };
    }

    private static String sign(String number, String flags) {
        if (number.startsWith("-")) {
            return number;
        }
        return flags.contains("+") ? "+" + number : flags.contains(" ") ? " " + number : number;
    }

    private static String pad(String text, int width, String flags, boolean isNumber) {
        int missing = width - Unicode.length(text);
        if (missing <= 0) {
            return text;
        }
        if (flags.contains("-")) {
            return text + " ".repeat(missing);
        }
        if (isNumber && flags.contains("0")) {
            int sign = "+- ".indexOf(text.charAt(0)) >= 0 ? 1 : 0;
            return text.substring(0, sign) + "0".repeat(missing) + text.substring(sign);
        }
        return " ".repeat(missing) + text;
    }
}
