package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The arguments of a call: those by position, and those by name. */
record Arguments(List<Object> positional, Map<String, Object> named) {
    static final Arguments NONE = new Arguments(List.of(), Map.of());

    /** Arguments by the position of their parameter; null for a parameter that has its default. */
    record Bound(@Nullable Object[] values) {
        @Nullable
        Object get(int index) {
            return values[index];
        }

        Object required(int index) {
            Object value = values[index];
            if (value == null) {
                throw new IllegalStateException("argument " + index + " is optional");
            }
            return value;
        }

        Object or(int index, Object absent) {
            Object value = values[index];
            return value == null ? absent : value;
        }
    }

    /** Assigns the arguments to parameters; a name that ends in "?" may be absent. */
    Bound bind(String function, String... parameters) {
        if (positional.size() > parameters.length) {
            throw new TemplateError(
                    function + " takes at most " + parameters.length + " arguments, not " + positional.size());
        }
        @Nullable Object[] values = new @Nullable Object[parameters.length];
        for (int i = 0; i < positional.size(); i++) {
            values[i] = positional.get(i);
        }
        Map<String, Object> left = named.isEmpty() ? named : new LinkedHashMap<>(named);
        for (int i = 0; i < parameters.length; i++) {
            boolean isOptional = parameters[i].endsWith("?");
            String name = isOptional ? parameters[i].substring(0, parameters[i].length() - 1) : parameters[i];
            Object value = left.isEmpty() ? null : left.remove(name);
            if (value != null && values[i] != null) {
                throw new TemplateError(function + " has two values for the argument " + name);
            }
            if (value != null) {
                values[i] = value;
            }
            if (values[i] == null && !isOptional) {
                throw new TemplateError(function + " needs the argument " + name);
            }
        }
        if (!left.isEmpty()) {
            throw new TemplateError(
                    function + " has no argument " + left.keySet().iterator().next());
        }
        return new Bound(values);
    }

    /** Arguments of a function that takes none by name. */
    Bound bindPositional(String function, int required, int max) {
        if (!named.isEmpty()) {
            throw new TemplateError(function + " takes no argument by name");
        }
        if (positional.size() < required || positional.size() > max) {
            throw new TemplateError(function + " takes " + (required == max ? "" : required + " to ") + max
                    + " arguments, not " + positional.size());
        }
        @Nullable Object[] values = new @Nullable Object[max];
        for (int i = 0; i < positional.size(); i++) {
            values[i] = positional.get(i);
        }
        return new Bound(values);
    }

    /** These arguments without the first one. */
    Arguments rest() {
        return new Arguments(new ArrayList<>(positional.subList(1, positional.size())), named);
    }
}
