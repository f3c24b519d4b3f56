package org.dpo4j.data.chat.jinja;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Python's operators on numbers, texts, lists and tuples. */
final class Arithmetic {
    /** Bits of the largest whole number. Python cannot print one of more than 4300 digits, which are 14285 bits. */
    private static final int MAX_BITS = 1 << 14;

    /** Whole numbers up to this size are exact as a double. */
    private static final long MAX_EXACT = 1L << 53;

    private Arithmetic() {}

    static Object apply(String operator, Object a, Object b) {
        if (a instanceof Undefined undefined) {
            throw undefined.error();
        }
        if (b instanceof Undefined undefined) {
            throw undefined.error();
        }
        return switch (operator) {
            case "+" -> add(a, b);
            case "*" -> multiply(a, b);
            default -> numbers(operator, a, b);
        };
    }

    private static boolean isText(Object value) {
        return value instanceof String || value instanceof Markup;
    }

    static Object add(Object a, Object b) {
        if (a instanceof String text && b instanceof String other) {
            Text.checkLength((long) text.length() + other.length());
            return text.concat(other);
        }
        if (isText(a) && isText(b)) {
            return new Markup(Text.checkLength(escaped(a) + escaped(b)));
        }
        if (a instanceof List<?> list && b instanceof List<?> other) {
            return join(list, other);
        }
        if (a instanceof Tuple tuple && b instanceof Tuple other) {
            return new Tuple(join(tuple.items(), other.items()));
        }
        return numbers("+", a, b);
    }

    private static String escaped(Object value) {
        return value instanceof Markup markup
                ? markup.text()
                : Markup.escape(Text.str(value)).text();
    }

    private static List<Object> join(List<?> a, List<?> b) {
        Text.checkLength((long) a.size() + b.size());
        List<Object> all = new ArrayList<>(a.size() + b.size());
        all.addAll(a);
        all.addAll(b);
        return all;
    }

    private static Object multiply(Object a, Object b) {
        if (isNumber(a) && isNumber(b)) {
            return numbers("*", a, b);
        }
        Object many = isWhole(a) ? b : a;
        Object count = isWhole(a) ? a : b;
        if (!isWhole(count)) {
            throw unsupported("*", a, b);
        }
        long times = Math.max(0, small(count, "the factor of a text or list"));
        if (many instanceof String text) {
            Text.checkLength(Math.multiplyExact((long) text.length(), Math.min(times, Integer.MAX_VALUE)));
            return text.repeat(text.isEmpty() ? 0 : Math.toIntExact(times));
        }
        List<?> items = many instanceof List<?> list ? list : many instanceof Tuple tuple ? tuple.items() : null;
        if (items == null) {
            throw unsupported("*", a, b);
        }
        Text.checkLength(Math.multiplyExact((long) items.size(), Math.min(times, Integer.MAX_VALUE)));
        List<Object> all = new ArrayList<>();
        for (long i = 0; i < times && !items.isEmpty(); i++) {
            all.addAll(items);
        }
        return many instanceof Tuple ? new Tuple(all) : all;
    }

    private static boolean isNumber(Object value) {
        return value instanceof Double || isWhole(value);
    }

    static boolean isWhole(Object value) {
        return value instanceof Long || value instanceof Boolean || value instanceof BigInteger;
    }

    static BigInteger whole(Object value) {
        if (value instanceof BigInteger number) {
            return number;
        }
        return BigInteger.valueOf(value instanceof Boolean isTrue ? (isTrue ? 1 : 0) : (Long) value);
    }

    /** A whole number of at most 64 bits. */
    static long small(Object value, String what) {
        if (value instanceof Long number) {
            return number;
        }
        if (!isWhole(value)) {
            throw new TemplateError(what + " must be a whole number, not " + Types.name(value));
        }
        BigInteger number = whole(value);
        if (number.bitLength() >= Long.SIZE) {
            throw new TemplateError(what + " is too large: " + Text.number(number));
        }
        return number.longValue();
    }

    static Object normalise(BigInteger number) {
        if (number.bitLength() > MAX_BITS) {
            throw new TemplateError("a whole number of " + number.bitLength() + " bits, more than " + MAX_BITS);
        }
        return number.bitLength() < Long.SIZE ? (Object) number.longValue() : number;
    }

    private static Object numbers(String operator, Object a, Object b) {
        if (!isNumber(a) || !isNumber(b)) {
            throw unsupported(operator, a, b);
        }
        if (a instanceof Double || b instanceof Double) {
            return floats(operator, toDouble(a), toDouble(b));
        }
        if (operator.equals("/")) {
            return floats(operator, exact(a), exact(b));
        }
        if (a instanceof Long first && b instanceof Long second) {
            Object fast = small(operator, first, second);
            if (fast != null) {
                return fast;
            }
        }
        return wholes(operator, whole(a), whole(b));
    }

    /** The result for numbers that cannot overflow, or null. */
    private static @Nullable Object small(String operator, long a, long b) {
        if (Math.abs(a) >= 1L << 31 || Math.abs(b) >= 1L << 31 || b == 0) {
            return null;
        }
        return switch (operator) {
            case "+" -> a + b;
            case "-" -> a - b;
            case "*" -> a * b;
            case "//" -> Math.floorDiv(a, b);
            case "%" -> Math.floorMod(a, b);
            default -> null;
        };
    }

    private static Object wholes(String operator, BigInteger a, BigInteger b) {
        return switch (operator) {
            case "+" -> normalise(a.add(b));
            case "-" -> normalise(a.subtract(b));
            case "*" -> normalise(a.multiply(b));
            case "//" -> normalise(floorDivide(a, b));
            case "%" -> normalise(a.subtract(floorDivide(a, b).multiply(b)));
            default -> power(a, b);
        };
    }

    private static BigInteger floorDivide(BigInteger a, BigInteger b) {
        if (b.signum() == 0) {
            throw new TemplateError("a division by zero");
        }
        BigInteger[] parts = a.divideAndRemainder(b);
        return parts[1].signum() != 0 && parts[1].signum() != b.signum() ? parts[0].subtract(BigInteger.ONE) : parts[0];
    }

    private static Object power(BigInteger a, BigInteger b) {
        if (b.signum() < 0) {
            throw new TemplateError("a power with a negative exponent is not supported");
        }
        if (b.bitLength() > 31 || (long) a.bitLength() * b.intValue() > MAX_BITS) {
            throw new TemplateError("a power of more than " + MAX_BITS + " bits");
        }
        return normalise(a.pow(b.intValue()));
    }

    static double toDouble(Object value) {
        if (value instanceof Double number) {
            return number;
        }
        BigInteger number = whole(value);
        return finite(number.doubleValue());
    }

    /** Python rounds the quotient of two whole numbers once, a double only if both are exact. */
    private static double exact(Object value) {
        if (whole(value).abs().compareTo(BigInteger.valueOf(MAX_EXACT)) > 0) {
            throw new TemplateError("a division of a whole number above 2**53 is not supported");
        }
        return toDouble(value);
    }

    private static double floats(String operator, double a, double b) {
        if (b == 0 && (operator.equals("/") || operator.equals("//") || operator.equals("%"))) {
            throw new TemplateError("a division by zero");
        }
        double result = switch (operator) {
            case "+" -> a + b;
            case "-" -> a - b;
            case "*" -> a * b;
            case "/" -> a / b;
            case "//" -> floorDivide(a, b);
            case "%" -> modulo(a, b);
            default -> throw new TemplateError("a power of floats is not supported");
        };
        return finite(result);
    }

    static double finite(double result) {
        if (!Double.isFinite(result)) {
            throw new TemplateError("a number that is infinite or not a number is not supported");
        }
        return result;
    }

    private static double modulo(double a, double b) {
        double rest = a % b;
        if (rest == 0) {
            return Math.copySign(0, b);
        }
        return rest < 0 != b < 0 ? rest + b : rest;
    }

    /** As CPython computes it. */
    private static double floorDivide(double a, double b) {
        double rest = a % b;
        double quotient = (a - rest) / b;
        if (rest != 0 && rest < 0 != b < 0) {
            quotient -= 1;
        }
        if (quotient == 0) {
            return Math.copySign(0, a / b);
        }
        double floor = Math.floor(quotient);
        return quotient - floor > 0.5 ? floor + 1 : floor;
    }

    static Object negate(Object value) {
        if (value instanceof Double number) {
            return -number;
        }
        return normalise(whole(requireNumber("-", value)).negate());
    }

    static Object plus(Object value) {
        return value instanceof Double ? value : normalise(whole(requireNumber("+", value)));
    }

    private static Object requireNumber(String operator, Object value) {
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        }
        if (!isWhole(value)) {
            throw new TemplateError(operator + " of a value of type " + Types.name(value));
        }
        return value;
    }

    private static TemplateError unsupported(String operator, Object a, Object b) {
        return new TemplateError(
                operator + " of values of types " + Types.name(a) + " and " + Types.name(b) + " is not supported");
    }
}
