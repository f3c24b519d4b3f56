package org.dpo4j.train;

import java.lang.reflect.Field;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/**
 * Options that belong together. Each is one field of a subclass: name, type, default and description stand there, and its
 * range in {@link OptionRange}. A group is a mixin of every command that has its options, and of the builders; options
 * that are built hold copies, which nobody changes.
 */
public abstract class OptionGroup implements Cloneable {

    /** A copy of the group, its numbers checked against their ranges. */
    static <G extends OptionGroup> G checked(G group) {
        group.check();
        return copy(group);
    }

    /** Throws, naming the option, where a number is out of its range. */
    public final void check() {
        for (Field field : getClass().getDeclaredFields()) {
            Option option = field.getAnnotation(Option.class);
            if (option != null && value(field) instanceof Number number) {
                OptionRange.find(option.names()[0].substring("--".length()))
                        .ifPresent(range -> range.check(number.doubleValue()));
            }
        }
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

    /** The value of an option that has no default. */
    static <T> T required(String name, @Nullable T value) {
        if (value == null || value.toString().isEmpty()) {
            throw new Dpo4jException(name + " is missing; give it");
        }
        return value;
    }
}
