package org.dpo4j.data.chat.jinja;

import java.time.ZonedDateTime;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;

/** The functions that a template can call without defining them. */
final class Globals {
    /** Functions of jinja2 that are refused. */
    static final Set<String> REFUSED = Set.of("cycler", "joiner", "lipsum");

    private static final int MAX_RANGE = 100_000;

    private Globals() {}

    static Map<String, Object> create(Supplier<ZonedDateTime> now) {
        Map<String, Object> globals = new HashMap<>();
        add(globals, "range", Globals::range);
        add(globals, "dict", Globals::dict);
        add(globals, "namespace", arguments -> new Namespace(dict(arguments)));
        add(globals, "raise_exception", arguments -> {
            throw new TemplateError("the template refuses the conversation: "
                    + Text.str(arguments.bind("raise_exception", "message").required(0)));
        });
        add(
                globals,
                "strftime_now",
                arguments -> Dates.format(
                        Text.expect(arguments.bind("strftime_now", "format").required(0), "the format of a date"),
                        now.get()));
        return globals;
    }

    private static void add(Map<String, Object> globals, String name, Function.Body body) {
        globals.put(name, new Function(name, body));
    }

    private static Object range(Arguments arguments) {
        Arguments.Bound bound = arguments.bindPositional("range", 1, 3);
        long first = Arithmetic.small(bound.required(0), "an argument of range");
        if (bound.get(1) == null) {
            return checked(0, first, 1);
        }
        long step = Arithmetic.small(bound.or(2, 1L), "an argument of range");
        return checked(first, Arithmetic.small(bound.required(1), "an argument of range"), step);
    }

    private static Range checked(long start, long stop, long step) {
        long limit = 1L << 53;
        if (step == 0 || Math.abs(start) > limit || Math.abs(stop) > limit || Math.abs(step) > limit) {
            throw new TemplateError("range with a step of 0, or beyond 2**53");
        }
        long distance = step > 0 ? stop - start : start - stop;
        if (distance > 0 && (distance - 1) / Math.abs(step) + 1 > MAX_RANGE) {
            throw new TemplateError("a range of more than " + MAX_RANGE + " numbers");
        }
        return new Range(start, stop, step);
    }

    private static Dict dict(Arguments arguments) {
        Dict dict = new Dict();
        if (arguments.positional().size() > 1) {
            throw new TemplateError("dict takes at most one argument by position");
        }
        if (!arguments.positional().isEmpty()) {
            Object content = arguments.positional().get(0);
            if (content instanceof Dict other) {
                dict.putAll(other);
            } else {
                addPairs(content, dict);
            }
        }
        arguments.named().forEach(dict::put);
        return dict;
    }

    private static void addPairs(Object pairs, Dict dict) {
        if (pairs instanceof Undefined undefined) {
            throw undefined.error();
        }
        Iterator<Object> items = Compare.iterate(pairs);
        while (items.hasNext()) {
            List<Object> pair = ListFilters.list(items.next());
            if (pair.size() != 2) {
                throw new TemplateError("dict needs pairs, not " + pair.size() + " items");
            }
            dict.put(pair.get(0), pair.get(1));
        }
    }
}
