package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** The filters of jinja2, with tojson of transformers, by name. */
final class Filters {
    /** Filters of jinja2 that are refused. */
    private static final Set<String> REFUSED = Set.of(
            "filesizeformat",
            "forceescape",
            "groupby",
            "pprint",
            "random",
            "striptags",
            "urlencode",
            "urlize",
            "wordwrap",
            "xmlattr");

    private static final Map<String, Filter> ALL = new HashMap<>();

    static {
        TextFilters.addTo(ALL);
        ListFilters.addTo(ALL);
        NumberFilters.addTo(ALL);
        Filter absent = (value, arguments) -> {
            Arguments.Bound bound = arguments.bind("default", "default_value?", "boolean?");
            boolean isAbsent =
                    value instanceof Undefined || Compare.isTrue(bound.or(1, false)) && !Compare.isTrue(value);
            return isAbsent ? bound.or(0, "") : value;
        };
        ALL.put("default", absent);
        ALL.put("d", absent);
        ALL.put("attr", Filters::attribute);
        ALL.put("map", Filters::map);
        ALL.put("select", (value, arguments) -> select(value, arguments, false, true));
        ALL.put("reject", (value, arguments) -> select(value, arguments, false, false));
        ALL.put("selectattr", (value, arguments) -> select(value, arguments, true, true));
        ALL.put("rejectattr", (value, arguments) -> select(value, arguments, true, false));
    }

    private Filters() {}

    static @Nullable Filter find(String name) {
        return ALL.get(name);
    }

    /** Why there is no filter of that name. */
    static String absence(String name) {
        return REFUSED.contains(name) ? "the filter " + name + " is not supported" : "no filter named " + name;
    }

    private static Object attribute(Object value, Arguments arguments) {
        String name = Text.expect(arguments.bind("attr", "name").required(0), "the name");
        Object member = Attributes.member(value, name);
        return member != null
                ? member
                : new Undefined("a value of type " + Types.name(value) + " has no attribute '" + name + "'");
    }

    private static Object map(Object value, Arguments arguments) {
        if (!Compare.isTrue(value)) {
            return new Generator(List.of().iterator());
        }
        UnaryOperator<Object> function = mapped(arguments);
        List<Object> items = ListFilters.list(value);
        items.replaceAll(function);
        return new Generator(items.iterator());
    }

    private static UnaryOperator<Object> mapped(Arguments arguments) {
        if (arguments.positional().isEmpty() && arguments.named().containsKey("attribute")) {
            Arguments.Bound bound = arguments.bind("map", "attribute", "default?");
            AttributePath path = AttributePath.parse(bound.required(0));
            Object absent = bound.or(1, None.NONE);
            return item -> path.get(item, absent instanceof None ? null : absent);
        }
        if (arguments.positional().isEmpty()) {
            throw new TemplateError("map needs the name of a filter, or attribute");
        }
        String name = Text.expect(arguments.positional().get(0), "the name of a filter");
        Filter filter = find(name);
        if (filter == null) {
            throw new TemplateError(absence(name));
        }
        Arguments rest = arguments.rest();
        return item -> filter.apply(item, rest);
    }

    private static Object select(Object value, Arguments arguments, boolean hasAttribute, boolean isSelected) {
        if (!Compare.isTrue(value)) {
            return new Generator(List.of().iterator());
        }
        Arguments left = arguments;
        AttributePath path = AttributePath.parse(None.NONE);
        if (hasAttribute) {
            if (left.positional().isEmpty()) {
                throw new TemplateError("the name of an attribute is missing");
            }
            path = AttributePath.parse(left.positional().get(0));
            left = left.rest();
        }
        List<Object> selected = new ArrayList<>();
        Tests.Test test = left.positional().isEmpty()
                ? null
                : Tests.require(left.positional().get(0));
        Arguments rest = test == null ? left : left.rest();
        for (Object item : ListFilters.list(value)) {
            Object tested = path.get(item);
            boolean holds = test == null ? Compare.isTrue(tested) : test.holds(tested, rest);
            if (holds == isSelected) {
                selected.add(item);
            }
        }
        return new Generator(selected.iterator());
    }
}
