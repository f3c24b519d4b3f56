package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/** Filters of lists, dicts and other values with items. */
final class ListFilters {
    private ListFilters() {}

    static void addTo(Map<String, Filter> filters) {
        Filter length = (value, arguments) -> {
            arguments.bind("length");
            return Compare.length(value);
        };
        filters.put("length", length);
        filters.put("count", length);
        filters.put("list", (value, arguments) -> {
            arguments.bind("list");
            return list(value);
        });
        filters.put("first", (value, arguments) -> {
            arguments.bind("first");
            Iterator<Object> items = Compare.iterate(value);
            return items.hasNext() ? items.next() : new Undefined("first: the sequence is empty");
        });
        filters.put("last", (value, arguments) -> {
            arguments.bind("last");
            requireReversible(value);
            List<Object> items = list(value);
            return items.isEmpty() ? new Undefined("last: the sequence is empty") : items.get(items.size() - 1);
        });
        filters.put("reverse", ListFilters::reverse);
        filters.put("sort", ListFilters::sort);
        filters.put("dictsort", ListFilters::dictSort);
        filters.put("unique", ListFilters::unique);
        filters.put("min", (value, arguments) -> extreme("min", value, arguments, -1));
        filters.put("max", (value, arguments) -> extreme("max", value, arguments, 1));
        filters.put("sum", ListFilters::sum);
        filters.put("batch", ListFilters::batch);
        filters.put("slice", ListFilters::slice);
        filters.put("items", (value, arguments) -> {
            arguments.bind("items");
            if (value instanceof Undefined) {
                return new Generator(Collections.emptyIterator());
            }
            if (value instanceof Dict dict) {
                return new Generator(dict.items().iterator());
            }
            throw new TemplateError("items of a value of type " + Types.name(value) + ", which is no dict");
        });
    }

    static List<Object> list(Object value) {
        List<Object> items = new ArrayList<>();
        Compare.iterate(value).forEachRemaining(items::add);
        return items;
    }

    private static void requireReversible(Object value) {
        if (value instanceof Generator) {
            throw new TemplateError("an iterator has no last item; put list in front");
        }
        if (value instanceof Markup) {
            throw new TemplateError("last of a text marked by safe or escape is not supported");
        }
    }

    private static Object reverse(Object value, Arguments arguments) {
        arguments.bind("reverse");
        if (value instanceof Markup) {
            throw new TemplateError("reverse of a text marked by safe or escape is not supported");
        }
        if (value instanceof String text) {
            return new StringBuilder(text).reverse().toString();
        }
        List<Object> items = list(value);
        Collections.reverse(items);
        return value instanceof Generator ? items : new Generator(items.iterator());
    }

    private static Object ignoreCase(Object value) {
        return value instanceof String text ? Unicode.lower(text) : value;
    }

    private static Function<Object, Object> key(Object attribute, boolean isCaseSensitive) {
        AttributePath path = AttributePath.parse(attribute);
        return item -> isCaseSensitive ? path.get(item) : ignoreCase(path.get(item));
    }

    private static Object sort(Object value, Arguments arguments) {
        Arguments.Bound bound = arguments.bind("sort", "reverse?", "case_sensitive?", "attribute?");
        boolean isCaseSensitive = Compare.isTrue(bound.or(1, false));
        Object attribute = bound.or(2, None.NONE);
        List<Function<Object, Object>> keys = new ArrayList<>();
        if (attribute instanceof String text) {
            for (String one : text.split(",", -1)) {
                keys.add(key(one, isCaseSensitive));
            }
        } else {
            keys.add(key(attribute, isCaseSensitive));
        }
        return sorted(
                list(value),
                item -> keys.stream().map(key -> key.apply(item)).toList(),
                Compare.isTrue(bound.or(0, false)));
    }

    private static List<Object> sorted(List<Object> items, Function<Object, Object> key, boolean isReversed) {
        record Keyed(Object key, Object item) {}
        List<Keyed> keyed = new ArrayList<>();
        items.forEach(item -> keyed.add(new Keyed(key.apply(item), item)));
        Comparator<Keyed> order = (a, b) -> Compare.order(a.key(), b.key());
        keyed.sort(isReversed ? order.reversed() : order);
        List<Object> sorted = new ArrayList<>();
        keyed.forEach(one -> sorted.add(one.item()));
        return sorted;
    }

    private static Object dictSort(Object value, Arguments arguments) {
        Arguments.Bound bound = arguments.bind("dictsort", "case_sensitive?", "by?", "reverse?");
        Object by = bound.or(1, "key");
        if (!by.equals("key") && !by.equals("value")) {
            throw new TemplateError("dictsort sorts by 'key' or by 'value'");
        }
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        }
        if (!(value instanceof Dict dict)) {
            throw new TemplateError("dictsort of a value of type " + Types.name(value) + ", which is no dict");
        }
        boolean isCaseSensitive = Compare.isTrue(bound.or(0, false));
        return sorted(
                dict.items(),
                pair -> {
                    Object key = ((Tuple) pair).items().get(by.equals("key") ? 0 : 1);
                    return isCaseSensitive ? key : ignoreCase(key);
                },
                Compare.isTrue(bound.or(2, false)));
    }

    private static Object unique(Object value, Arguments arguments) {
        Arguments.Bound bound = arguments.bind("unique", "case_sensitive?", "attribute?");
        Function<Object, Object> key = key(bound.or(1, None.NONE), Compare.isTrue(bound.or(0, false)));
        Set<Object> seen = new HashSet<>();
        List<Object> items = list(value);
        items.removeIf(item -> !seen.add(Dict.normalise(key.apply(item))));
        return new Generator(items.iterator());
    }

    private static Object extreme(String name, Object value, Arguments arguments, int sign) {
        Arguments.Bound bound = arguments.bind(name, "case_sensitive?", "attribute?");
        Function<Object, Object> key = key(bound.or(1, None.NONE), Compare.isTrue(bound.or(0, false)));
        List<Object> items = list(value);
        if (items.isEmpty()) {
            return new Undefined(name + ": the sequence is empty");
        }
        Object best = items.get(0);
        Object bestKey = key.apply(best);
        for (Object item : items.subList(1, items.size())) {
            Object itemKey = key.apply(item);
            if (Integer.signum(Compare.order(itemKey, bestKey)) == sign) {
                best = item;
                bestKey = itemKey;
            }
        }
        return best;
    }

    private static Object sum(Object value, Arguments arguments) {
        Arguments.Bound bound = arguments.bind("sum", "attribute?", "start?");
        AttributePath path = AttributePath.parse(bound.or(0, None.NONE));
        Object total = bound.or(1, 0L);
        if (total instanceof String || total instanceof Markup) {
            throw new TemplateError("sum does not add texts; use join");
        }
        List<Object> items = list(value);
        for (Object item : items) {
            Object added = path.get(item);
            if (added instanceof Double && items.size() > 2) {
                // Python 3.12 adds floats in another way than Python 3.11
                throw new TemplateError("the sum of more than two numbers with a float is not supported");
            }
            total = Arithmetic.apply("+", total, added);
        }
        return total;
    }

    private static Object batch(Object value, Arguments arguments) {
        Arguments.Bound bound = arguments.bind("batch", "linecount", "fill_with?");
        long size = Arithmetic.small(bound.required(0), "linecount");
        Object fill = bound.or(1, None.NONE);
        Text.checkLength(size);
        if (size < 1) {
            throw new TemplateError("batch with a linecount of " + size + " is not supported");
        }
        List<Object> batches = new ArrayList<>();
        List<Object> items = list(value);
        for (int start = 0; start < items.size(); start += (int) size) {
            List<Object> batch = new ArrayList<>(items.subList(start, (int) Math.min(items.size(), start + size)));
            while (!(fill instanceof None) && batch.size() < size) {
                batch.add(fill);
            }
            batches.add(batch);
        }
        return new Generator(batches.iterator());
    }

    private static Object slice(Object value, Arguments arguments) {
        Arguments.Bound bound = arguments.bind("slice", "slices", "fill_with?");
        long count = Arithmetic.small(bound.required(0), "slices");
        Object fill = bound.or(1, None.NONE);
        if (count < 1 || count > 100_000) {
            throw new TemplateError("slice into " + count + " is not supported");
        }
        List<Object> items = list(value);
        int each = (int) (items.size() / count);
        int withExtra = (int) (items.size() % count);
        List<Object> slices = new ArrayList<>();
        int start = 0;
        for (int i = 0; i < count; i++) {
            int end = start + each + (i < withExtra ? 1 : 0);
            List<Object> slice = new ArrayList<>(items.subList(start, end));
            if (!(fill instanceof None) && i >= withExtra) {
                slice.add(fill);
            }
            slices.add(slice);
            start = end;
        }
        return new Generator(slices.iterator());
    }
}
