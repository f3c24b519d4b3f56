package org.dpo4j.train;

import java.lang.reflect.Field;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/**
 * Options that belong together. Each option is a field of a subclass, which declares its name, type, default and
 * description; its range is in {@link OptionRange}. Commands and builders include a group as a picocli mixin. Options
 * that have been built hold copies of the groups, which do not change.
 */
public abstract class OptionGroup implements Cloneable {

    /** Checks the numbers of a group against their ranges and returns a copy of it. */
    static <G extends OptionGroup> G checked(G group) {
        group.check();
        return copy(group);
    }

    /** Throws, naming the option, if a number is out of its range. */
    public final void check() {
        values().forEach((name, value) -> {
            if (value instanceof Number number) {
                OptionRange.find(name).ifPresent(range -> range.check(number.doubleValue()));
            }
        });
    }

    /** The options that have a value, such as {@code seed 42}, in the order of their fields. */
    @Override
    public final String toString() {
        return values().entrySet().stream()
                .map(option -> option.getKey() + " " + option.getValue())
                .collect(Collectors.joining(", "));
    }

    /** The values that are not null, by the names of the options. */
    final Map<String, Object> values() {
        Map<String, Object> values = new LinkedHashMap<>();
        for (Field field : getClass().getDeclaredFields()) {
            Option option = field.getAnnotation(Option.class);
            Object value = option == null ? null : value(field);
            if (option != null && value != null) {
                values.put(option.names()[0].substring("--".length()), value);
            }
        }
        return values;
    }

    private @Nullable Object value(Field field) {
        try {
            field.setAccessible(true);
            return field.get(this);
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(e);
        }
    }

    @SuppressWarnings("unchecked")
    private static <G extends OptionGroup> G copy(G group) {
        try {
            return (G) group.clone();
        } catch (CloneNotSupportedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The value of a required option. Throws if it is missing. */
    static <T> T required(String name, @Nullable T value) {
        if (value == null || value.toString().isEmpty()) {
            throw new Dpo4jException(name + " is missing; give it");
        }
        return value;
    }
}
