package org.dpo4j.data.chat.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Truth, equality, order, length, items and membership of Python's values. */
final class Compare {
    private Compare() {}

    static boolean isTrue(Object value) {
        if (value instanceof Boolean isTrue) {
            return isTrue;
        }
        if (value instanceof String text) {
            return !text.isEmpty();
        }
        if (value instanceof Undefined || value instanceof None) {
            return false;
        }
        if (value instanceof Long number) {
            return number != 0;
        }
        if (value instanceof Double number) {
            return number != 0;
        }
        return value instanceof BigInteger || value instanceof Generator || !hasLength(value) || length(value) > 0;
    }

    static boolean hasLength(Object value) {
        return value instanceof String
                || value instanceof Markup
                || value instanceof Undefined
                || value instanceof PyObject.Sized
                || items(value) != null;
    }

    static long length(Object value) {
        if (value instanceof String text) {
            return Unicode.length(text);
        }
        if (value instanceof Markup markup) {
            return Unicode.length(markup.text());
        }
        if (value instanceof Dict dict) {
            return dict.size();
        }
        if (value instanceof Undefined) {
            return 0;
        }
        if (value instanceof PyObject.Sized sized) {
            return sized.length();
        }
        List<Object> items = items(value);
        if (items == null) {
            throw new TemplateError("a value of type " + Types.name(value) + " has no length");
        }
        return items.size();
    }

    /** The items of a list, tuple, dict, view or range; null for another value. */
    @SuppressWarnings("unchecked")
    static @Nullable List<Object> items(Object value) {
        if (value instanceof List<?> list) {
            return (List<Object>) list;
        }
        if (value instanceof Tuple tuple) {
            return tuple.items();
        }
        if (value instanceof Dict dict) {
            return dict.keys();
        }
        if (value instanceof DictView view) {
            return view.list();
        }
        return value instanceof Range range ? range.items() : null;
    }

    static boolean isIterable(Object value) {
        return value instanceof String
                || value instanceof Markup
                || value instanceof Undefined
                || value instanceof Generator
                || items(value) != null;
    }

    static Iterator<Object> iterate(Object value) {
        if (value instanceof String text) {
            return characters(text);
        }
        if (value instanceof Markup markup) {
            return characters(markup.text());
        }
        if (value instanceof Generator generator) {
            return generator;
        }
        if (value instanceof Undefined) {
            return Collections.emptyIterator();
        }
        List<Object> items = items(value);
        if (items == null) {
            throw new TemplateError("a value of type " + Types.name(value) + " has no items");
        }
        return items.iterator();
    }

    private static Iterator<Object> characters(String text) {
        return text.codePoints().<Object>mapToObj(Character::toString).iterator();
    }

    static boolean isNumber(Object value) {
        return value instanceof Long
                || value instanceof Double
                || value instanceof Boolean
                || value instanceof BigInteger;
    }

    /** How many values one comparison looks at: lists that hold the same list twice, many times over, have no end. */
    private static final int MAX_COMPARISONS = 10_000_000;

    static boolean equal(Object a, Object b) {
        return equal(a, b, new int[1]);
    }

    private static boolean equal(Object a, Object b, int[] count) {
        if (++count[0] > MAX_COMPARISONS) {
            throw new TemplateError("a comparison of more than " + MAX_COMPARISONS + " values");
        }
        if (a == b) {
            return true;
        }
        if (a instanceof String text && b instanceof String other) {
            return text.equals(other);
        }
        if (isNumber(a) && isNumber(b)) {
            return orderNumbers(a, b) == 0;
        }
        if (isText(a) && isText(b)) {
            return Text.str(a).equals(Text.str(b));
        }
        if (a instanceof List<?> list && b instanceof List<?> other) {
            return equalItems(list, other, count);
        }
        if (a instanceof Tuple tuple && b instanceof Tuple other) {
            return equalItems(tuple.items(), other.items(), count);
        }
        if (a instanceof Dict dict && b instanceof Dict other) {
            return equalDicts(dict, other, count);
        }
        if (a instanceof Range range && b instanceof Range other) {
            return equalItems(range.items(), other.items(), count);
        }
        if (a instanceof DictView && b instanceof DictView) {
            throw new TemplateError("the comparison of two views of dicts is not supported");
        }
        return a instanceof Undefined && b instanceof Undefined;
    }

    private static boolean isText(Object value) {
        return value instanceof String || value instanceof Markup;
    }

    private static boolean equalItems(List<?> a, List<?> b, int[] count) {
        if (a.size() != b.size()) {
            return false;
        }
        Iterator<?> others = b.iterator();
        for (Object item : a) {
            if (!equal(item, others.next(), count)) {
                return false;
            }
        }
        return true;
    }

    private static boolean equalDicts(Dict a, Dict b, int[] count) {
        if (a.size() != b.size()) {
            return false;
        }
        for (Object key : a.keys()) {
            Object mine = a.get(key);
            Object other = b.get(key);
            if (mine == null || other == null || !equal(mine, other, count)) {
                return false;
            }
        }
        return true;
    }

    /** Negative, zero or positive. Values that Python does not order are an error. */
    static int order(Object a, Object b) {
        if (a instanceof Undefined undefined) {
            throw undefined.error();
        }
        if (b instanceof Undefined undefined) {
            throw undefined.error();
        }
        if (isNumber(a) && isNumber(b)) {
            return orderNumbers(a, b);
        }
        if (a instanceof String text && b instanceof String other) {
            return orderTexts(text, other);
        }
        if (a instanceof List<?> list && b instanceof List<?> other) {
            return orderItems(list, other);
        }
        if (a instanceof Tuple tuple && b instanceof Tuple other) {
            return orderItems(tuple.items(), other.items());
        }
        throw new TemplateError("values of types " + Types.name(a) + " and " + Types.name(b) + " have no order");
    }

    private static int orderNumbers(Object a, Object b) {
        if (a instanceof Long number && b instanceof Long other) {
            return Long.compare(number, other);
        }
        double first = asDouble(a);
        double second = asDouble(b);
        if (Double.isNaN(first) || Double.isNaN(second)) {
            throw new TemplateError("a comparison with nan is not supported");
        }
        if (Double.isInfinite(first) || Double.isInfinite(second)) {
            return Double.compare(first, second);
        }
        return exact(a).compareTo(exact(b));
    }

    private static double asDouble(Object value) {
        return value instanceof Double number ? number : 0;
    }

    private static BigDecimal exact(Object value) {
        return value instanceof Double number ? new BigDecimal(number) : new BigDecimal(Arithmetic.whole(value));
    }

    private static int orderTexts(String a, String b) {
        int length = Math.min(a.length(), b.length());
        for (int i = 0; i < length; i++) {
            char first = a.charAt(i);
            char second = b.charAt(i);
            if (first != second) {
                boolean isSurrogate = Character.isSurrogate(first);
                // by code points: what is written as two surrogates comes after all that is written as one char
                return isSurrogate == Character.isSurrogate(second) ? first - second : isSurrogate ? 1 : -1;
            }
        }
        return a.length() - b.length();
    }

    private static int orderItems(List<?> a, List<?> b) {
        int length = Math.min(a.size(), b.size());
        for (int i = 0; i < length; i++) {
            if (!equal(a.get(i), b.get(i))) {
                return order(a.get(i), b.get(i));
            }
        }
        return a.size() - b.size();
    }

    static boolean contains(Object container, Object item) {
        if (container instanceof String || container instanceof Markup) {
            if (!isText(item)) {
                throw new TemplateError("in of a text needs a text, not " + Types.name(item));
            }
            String text = Text.str(container);
            return text.contains(Strings.checkSearch(text, Text.str(item)));
        }
        if (container instanceof Dict dict) {
            return dict.contains(item);
        }
        Iterator<Object> items = iterate(container);
        while (items.hasNext()) {
            if (equal(items.next(), item)) {
                return true;
            }
        }
        return false;
    }
}
