package org.dpo4j.data.chat.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Filters that return a number. */
final class NumberFilters {
    private static final Pattern WHOLE = Pattern.compile("[+-]?[0-9]+(_[0-9]+)*");
    private static final Pattern REAL = Pattern.compile(
            "[+-]?([0-9]+(_[0-9]+)*\\.?([0-9]+(_[0-9]+)*)?|\\.[0-9]+(_[0-9]+)*)([eE][+-]?[0-9]+(_[0-9]+)*)?");
    private static final Pattern NOT_FINITE = Pattern.compile("(?i)[+-]?(inf|infinity|nan)");

    private NumberFilters() {}

    static void addTo(Map<String, Filter> filters) {
        filters.put("int", NumberFilters::toInt);
        filters.put("float", NumberFilters::toFloat);
        filters.put("round", NumberFilters::round);
        filters.put("abs", (value, arguments) -> {
            arguments.bind("abs");
            if (value instanceof Double number) {
                return Math.abs(number);
            }
            if (!Arithmetic.isWhole(value)) {
                throw new TemplateError("abs of a value of type " + Types.name(value));
            }
            return Arithmetic.normalise(Arithmetic.whole(value).abs());
        });
    }

    private static Object toInt(Object value, Arguments arguments) {
        Arguments.Bound bound = arguments.bind("int", "default?", "base?");
        if (!Compare.equal(bound.or(1, 10L), 10L)) {
            throw new TemplateError("int with a base other than 10 is not supported");
        }
        Object absent = bound.or(0, 0L);
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        }
        if (Arithmetic.isWhole(value)) {
            return Arithmetic.normalise(Arithmetic.whole(value));
        }
        if (value instanceof Double number) {
            return truncate(number);
        }
        if (!(value instanceof String) && !(value instanceof Markup)) {
            return absent;
        }
        String text = Strings.strip(Text.str(value), null, true, true);
        requireAscii(text);
        if (WHOLE.matcher(text).matches()) {
            String digits = text.replace("_", "");
            if (digits.length() > Text.MAX_DIGITS) {
                throw new TemplateError("a whole number of more than " + Text.MAX_DIGITS + " digits");
            }
            return Arithmetic.normalise(new BigInteger(digits.startsWith("+") ? digits.substring(1) : digits));
        }
        Double real = parse(text);
        return real == null || real.isInfinite() ? absent : truncate(real);
    }

    private static Object truncate(double number) {
        return Arithmetic.normalise(new BigDecimal(Arithmetic.finite(number)).toBigInteger());
    }

    private static void requireAscii(String text) {
        if (text.codePoints().anyMatch(character -> character > 0x7f && Character.isDigit(character))) {
            throw new TemplateError("a number with digits beyond ASCII is not supported");
        }
    }

    /** The number, infinite if it is too large; null if the text is none. */
    private static @Nullable Double parse(String text) {
        if (NOT_FINITE.matcher(text).matches()) {
            throw new TemplateError("a number that is infinite or not a number is not supported");
        }
        return REAL.matcher(text).matches() ? Double.valueOf(text.replace("_", "")) : null;
    }

    private static Object toFloat(Object value, Arguments arguments) {
        Object absent = arguments.bind("float", "default?").or(0, 0.0);
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        }
        if (value instanceof Double) {
            return value;
        }
        if (Arithmetic.isWhole(value)) {
            return Arithmetic.finite(Arithmetic.whole(value).doubleValue());
        }
        if (!(value instanceof String) && !(value instanceof Markup)) {
            return absent;
        }
        String text = Strings.strip(Text.str(value), null, true, true);
        requireAscii(text);
        Double real = parse(text);
        return real == null ? absent : (Object) Arithmetic.finite(real);
    }

    private static Object round(Object value, Arguments arguments) {
        Arguments.Bound bound = arguments.bind("round", "precision?", "method?");
        Object method = bound.or(1, "common");
        long precision = Arithmetic.small(bound.or(0, 0L), "the precision");
        if (precision < 0 || precision > 15) {
            throw new TemplateError("round with a precision of " + precision + " is not supported");
        }
        if (method.equals("common")) {
            return roundToEven(value, (int) precision);
        }
        if (!method.equals("ceil") && !method.equals("floor")) {
            throw new TemplateError("the method of round is common, ceil or floor");
        }
        double factor = Math.pow(10, precision);
        Object scaled = Arithmetic.apply("*", value, (long) factor);
        double number = Arithmetic.toDouble(requireNumber(scaled));
        double rounded = method.equals("ceil") ? Math.ceil(number) : Math.floor(number);
        if (Math.abs(rounded) > 1L << 53) {
            throw new TemplateError("round of a number above 2**53 is not supported");
        }
        return rounded / factor + 0.0; // whole numbers have no negative zero
    }

    private static Object requireNumber(Object value) {
        if (!Compare.isNumber(value)) {
            throw new TemplateError("round of a value of type " + Types.name(value));
        }
        return value;
    }

    private static Object roundToEven(Object value, int precision) {
        if (!(requireNumber(value) instanceof Double number)) {
            return Arithmetic.normalise(Arithmetic.whole(value));
        }
        double rounded = new BigDecimal(Arithmetic.finite(number))
                .setScale(precision, RoundingMode.HALF_EVEN)
                .doubleValue();
        return Math.copySign(rounded, number);
    }
}
