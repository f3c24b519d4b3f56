package org.dpo4j.data.chat.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** A dict of Python: keys in order of insertion; 1, 1.0 and True are the same key, and the first of them is kept. */
final class Dict implements Unhashable {
    private final Map<Object, Object> values = new LinkedHashMap<>();

    /** Keys whose normalised form is another object. */
    private final Map<Object, Object> originals = new HashMap<>(0);

    private enum Key {
        UNDEFINED
    }

    private record TupleKey(List<Object> items) {}

    void put(Object key, Object value) {
        Object normalised = normalise(key);
        if (normalised != key && !values.containsKey(normalised)) {
            originals.put(normalised, key);
        }
        values.put(normalised, value);
    }

    @Nullable
    Object get(Object key) {
        return values.get(normalise(key));
    }

    /** The value of a text key. */
    @Nullable
    Object getText(String key) {
        return values.get(key);
    }

    boolean contains(Object key) {
        return values.containsKey(normalise(key));
    }

    int size() {
        return values.size();
    }

    List<Object> keys() {
        List<Object> keys = new ArrayList<>(values.size());
        values.keySet().forEach(key -> keys.add(originals.isEmpty() ? key : originals.getOrDefault(key, key)));
        return keys;
    }

    List<Object> values() {
        return new ArrayList<>(values.values());
    }

    List<Object> items() {
        List<Object> items = new ArrayList<>(values.size());
        values.forEach((key, value) ->
                items.add(new Tuple(List.of(originals.isEmpty() ? key : originals.getOrDefault(key, key), value))));
        return items;
    }

    Dict copy() {
        Dict copy = new Dict();
        copy.putAll(this);
        return copy;
    }

    void putAll(Dict other) {
        other.keys().forEach(key -> put(key, Objects.requireNonNull(other.get(key))));
    }

    /** Equal keys have equal normalised forms. */
    static Object normalise(Object key) {
        if (key instanceof String || key instanceof Long || key instanceof None || key instanceof BigInteger) {
            return key;
        }
        if (key instanceof Boolean isTrue) {
            return isTrue ? 1L : 0L;
        }
        if (key instanceof Double number) {
            return normalise(number);
        }
        if (key instanceof Markup markup) {
            return markup.text();
        }
        if (key instanceof Undefined) {
            return Key.UNDEFINED;
        }
        if (key instanceof Tuple tuple) {
            return new TupleKey(tuple.items().stream().map(Dict::plain).toList());
        }
        if (key instanceof List || key instanceof Unhashable) {
            throw new TemplateError("a key of a dict cannot be a list, dict or range");
        }
        return key;
    }

    /** An item of a tuple. Tuples in tuples are refused: one that holds the same tuple twice, many times over, has no end. */
    private static Object plain(Object item) {
        if (item instanceof Tuple) {
            throw new TemplateError("a key of a dict that is a tuple of tuples is not supported");
        }
        return normalise(item);
    }

    private static Object normalise(Double number) {
        if (number.isNaN() || number.isInfinite() || number != Math.rint(number)) {
            return number;
        }
        BigInteger whole = new BigDecimal(number).toBigIntegerExact();
        return whole.bitLength() < Long.SIZE ? (Object) whole.longValue() : whole;
    }
}
