package org.dpo4j.data.chat.jinja;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** The tests of jinja2: {@code value is name(arguments)}. */
final class Tests {
    /** A test. */
    interface Test {
        boolean holds(Object value, Arguments arguments);
    }

    private static final Map<String, Test> ALL = new HashMap<>();

    static {
        addTypes();
        addNumbers();
        addComparisons();
    }

    private Tests() {}

    static @Nullable Test find(String name) {
        return ALL.get(name);
    }

    static Test require(Object name) {
        Test test = name instanceof String text ? ALL.get(text) : null;
        if (test == null) {
            throw new TemplateError("no test named " + Text.str(name));
        }
        return test;
    }

    private static void type(String name, Predicate<Object> test) {
        ALL.put(name, (value, arguments) -> {
            arguments.bind("the test " + name);
            return test.test(value);
        });
    }

    private static void addTypes() {
        type("defined", value -> !(value instanceof Undefined));
        type("undefined", value -> value instanceof Undefined);
        type("none", value -> value instanceof None);
        type("boolean", value -> value instanceof Boolean);
        type("false", value -> value.equals(false));
        type("true", value -> value.equals(true));
        type("integer", value -> Arithmetic.isWhole(value) && !(value instanceof Boolean));
        type("float", value -> value instanceof Double);
        type("number", Compare::isNumber);
        type("string", value -> value instanceof String || value instanceof Markup);
        type("mapping", value -> value instanceof Dict);
        type("iterable", value -> Compare.isIterable(value) || value instanceof PyObject.Sized);
        type(
                "sequence",
                value -> value instanceof String
                        || value instanceof Markup
                        || value instanceof Undefined
                        || value instanceof List
                        || value instanceof Tuple
                        || value instanceof Dict
                        || value instanceof Range);
        type("callable", value -> value instanceof PyObject.Callable || value instanceof Undefined);
        type("escaped", value -> value instanceof Markup);
        type("lower", value -> Strings.isLower(Text.str(value)));
        type("upper", value -> Strings.isUpper(Text.str(value)));
    }

    private static void addNumbers() {
        type("odd", value -> Compare.equal(Operators.apply("%", value, 2L), 1L));
        type("even", value -> Compare.equal(Operators.apply("%", value, 2L), 0L));
        ALL.put("divisibleby", (value, arguments) -> {
            Object divisor = arguments.bind("divisibleby", "num").required(0);
            return Compare.equal(Operators.apply("%", value, divisor), 0L);
        });
    }

    private static void addComparisons() {
        ALL.put(
                "sameas",
                (value, arguments) ->
                        isSame(value, arguments.bind("sameas", "other").required(0)));
        ALL.put(
                "in",
                (value, arguments) ->
                        Compare.contains(arguments.bind("in", "seq").required(0), value));
        for (String name : List.of("==", "eq", "equalto")) {
            ALL.put(name, (value, arguments) -> Compare.equal(value, other(name, arguments)));
        }
        for (String name : List.of("!=", "ne")) {
            ALL.put(name, (value, arguments) -> !Compare.equal(value, other(name, arguments)));
        }
        order(List.of(">", "gt", "greaterthan"), order -> order > 0);
        order(List.of(">=", "ge"), order -> order >= 0);
        order(List.of("<", "lt", "lessthan"), order -> order < 0);
        order(List.of("<=", "le"), order -> order <= 0);
    }

    private static void order(List<String> names, IntPredicate test) {
        for (String name : names) {
            ALL.put(name, (value, arguments) -> test.test(Compare.order(value, other(name, arguments))));
        }
    }

    private static Object other(String name, Arguments arguments) {
        return arguments.bindPositional("the test " + name, 1, 1).required(0);
    }

    /** Identity is certain only for None, True and False. */
    private static boolean isSame(Object value, Object other) {
        if (isSingleton(value) || isSingleton(other)) {
            return value.equals(other);
        }
        throw new TemplateError("sameas of other values than none, true and false is not supported");
    }

    private static boolean isSingleton(Object value) {
        return value instanceof None || value instanceof Boolean;
    }
}
