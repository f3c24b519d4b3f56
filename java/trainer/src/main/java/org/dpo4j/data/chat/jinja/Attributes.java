package org.dpo4j.data.chat.jinja;

import java.math.BigInteger;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Attributes and items of values, in the sandbox of jinja2: what changes a value is undefined. */
final class Attributes {
    private static final Set<String> CHANGE_LIST =
            Set.of("append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove");
    private static final Set<String> CHANGE_DICT = Set.of("clear", "pop", "popitem", "setdefault", "update");

    /** Attributes that other types have in Python, and that are refused. */
    private static final Set<String> OF_NUMBERS = Set.of(
            "real",
            "imag",
            "numerator",
            "denominator",
            "conjugate",
            "bit_length",
            "bit_count",
            "to_bytes",
            "from_bytes",
            "as_integer_ratio",
            "is_integer",
            "hex",
            "fromhex");

    private static final Set<String> OF_OTHERS = Set.of(
            "mapping",
            "isdisjoint",
            "send",
            "throw",
            "close",
            "gi_frame",
            "gi_code",
            "gi_running",
            "gi_yieldfrom",
            "gi_suspended");

    private Attributes() {}

    /** {@code value.name}: the attribute, else the item, else undefined. */
    static Object attribute(Object value, String name) {
        if (value instanceof Dict dict && !name.startsWith("_") && !DICT_METHODS.contains(name)) {
            Object item = dict.getText(name); // the usual case: a dict has no attribute of that name
            return item != null ? item : missing(value, name);
        }
        Object member = member(value, name);
        if (member != null) {
            return member;
        }
        Object item = Slices.item(value, name);
        return item != null ? item : missing(value, name);
    }

    /** {@code value[key]}: the item, else the attribute of that name, else undefined. */
    static Object item(Object value, Object key) {
        Object item = Slices.item(value, key);
        if (item == null && (key instanceof String || key instanceof Markup)) {
            item = member(value, Text.str(key));
        }
        return item != null ? item : missing(value, key);
    }

    private static Undefined missing(Object value, Object key) {
        String what =
                value instanceof List<?> list ? "a list of " + list.size() : "a value of type " + Types.name(value);
        boolean isWhole = key instanceof Long || key instanceof BigInteger;
        return new Undefined(what + " has no element "
                + (key instanceof String text ? "'" + text + "'" : isWhole ? key.toString() : Types.name(key)));
    }

    private static Undefined unsafe(Object value, String name) {
        return new Undefined("the sandbox forbids " + name + " of a value of type " + Types.name(value)
                + ", because it changes the value");
    }

    private static final Set<String> DICT_METHODS = Set.of(
            "get", "keys", "values", "items", "copy", "fromkeys", "clear", "pop", "popitem", "setdefault", "update");

    /** What Python's getattr returns; null if there is no such attribute. */
    static @Nullable Object member(Object value, String name) {
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        }
        if (name.startsWith("__") || name.startsWith("_") && value instanceof PyObject) {
            throw new TemplateError("the attribute " + name + " is not supported, because its name begins with _");
        }
        if (value instanceof String text) {
            return TextMethods.find(text, name);
        }
        if (value instanceof Dict dict) {
            return dictMember(dict, name);
        }
        if (value instanceof List<?> list) {
            return CHANGE_LIST.contains(name) ? unsafe(value, name) : listMember(list, name, true);
        }
        if (value instanceof Tuple tuple) {
            return listMember(tuple.items(), name, false);
        }
        if (value instanceof PyObject object) {
            return object.attribute(name);
        }
        if (value instanceof Range range) {
            return rangeMember(range, name);
        }
        return refuse(value, name);
    }

    private static @Nullable Object refuse(Object value, String name) {
        boolean isNumber = value instanceof Long
                || value instanceof Boolean
                || value instanceof Double
                || value instanceof BigInteger;
        if (value instanceof Markup || (isNumber ? OF_NUMBERS : OF_OTHERS).contains(name)) {
            throw new TemplateError(
                    "the attribute " + name + " of a value of type " + Types.name(value) + " is not supported");
        }
        return null;
    }

    private static @Nullable Object dictMember(Dict dict, String name) {
        return switch (name) {
            case "get" ->
                new Function("get", arguments -> {
                    Arguments.Bound bound = arguments.bindPositional("get", 1, 2);
                    Object item = dict.get(bound.required(0));
                    return item != null ? item : bound.or(1, None.NONE);
                });
            case "keys" -> view(dict, name, DictView.Kind.KEYS);
            case "values" -> view(dict, name, DictView.Kind.VALUES);
            case "items" -> view(dict, name, DictView.Kind.ITEMS);
            case "copy" ->
                new Function("copy", arguments -> {
                    arguments.bindPositional("copy", 0, 0);
                    return dict.copy();
                });
            case "fromkeys" -> throw new TemplateError("fromkeys of a dict is not supported");
            default -> CHANGE_DICT.contains(name) ? unsafe(dict, name) : null;
        };
    }

    private static Object view(Dict dict, String name, DictView.Kind kind) {
        return new Function(name, arguments -> {
            arguments.bindPositional(name, 0, 0);
            return new DictView(dict, kind);
        });
    }

    private static @Nullable Object listMember(List<?> items, String name, boolean hasCopy) {
        return switch (name) {
            case "count" ->
                new Function(name, arguments -> {
                    Object searched = arguments.bindPositional(name, 1, 1).required(0);
                    return items.stream()
                            .filter(item -> Compare.equal(item, searched))
                            .count();
                });
            case "index" -> new Function(name, arguments -> index(items, arguments.bindPositional(name, 1, 3)));
            case "copy" ->
                hasCopy
                        ? new Function(name, arguments -> {
                            arguments.bindPositional(name, 0, 0);
                            return items;
                        })
                        : null;
            default -> null;
        };
    }

    private static Object index(List<?> items, Arguments.Bound bound) {
        long start = bound.get(1) == null ? 0 : Arithmetic.small(bound.required(1), "start");
        long stop = bound.get(2) == null ? items.size() : Arithmetic.small(bound.required(2), "stop");
        long from = start < 0 ? Math.max(0, start + items.size()) : start;
        long to = Math.min(items.size(), stop < 0 ? stop + items.size() : stop);
        for (long i = from; i < to; i++) {
            if (Compare.equal(items.get((int) i), bound.required(0))) {
                return i;
            }
        }
        throw new TemplateError("index: the list does not contain the value");
    }

    private static @Nullable Object rangeMember(Range range, String name) {
        return switch (name) {
            case "start" -> range.start;
            case "stop" -> range.stop;
            case "step" -> range.step;
            default -> listMember(range.items(), name, false);
        };
    }
}
