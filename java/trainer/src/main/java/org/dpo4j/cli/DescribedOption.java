package org.dpo4j.cli;

import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dpo4j.train.DatasetList;
import org.dpo4j.train.EvalDatasets;
import org.dpo4j.train.OptionMap;
import org.dpo4j.train.OptionRange;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/**
 * An option as the option reference shows it.
 *
 * @param option picocli's model of it
 * @param name with underscores, without leading dashes
 * @param candidates the only values it takes, for lists the only elements; empty if there are others
 * @param byDefault text of the default value; null if there is none or the description says it in words
 * @param text what it does
 */
record DescribedOption(
        OptionSpec option,
        String name,
        List<String> candidates,
        @Nullable String byDefault,
        String text) {

    /** A number that ends a description, for options without a field, whose default picocli does not know. */
    private static final Pattern LAST_DEFAULT = Pattern.compile("default (-?[0-9][-0-9.eE]*)\\.(?= |$)");

    /**
     * The options of a command that a config file may set: first those that are fields, in the order of its help, then those
     * that are methods, by name, because Java lists methods in any order.
     */
    static List<DescribedOption> settable(CommandSpec command) {
        List<DescribedOption> fields = new ArrayList<>();
        List<DescribedOption> methods = new ArrayList<>();
        for (OptionSpec option : command.options()) {
            if (OptionNames.settable(command).contains(OptionNames.normalised(option.longestName()))) {
                (option.userObject() instanceof Method ? methods : fields).add(read(option));
            }
        }
        methods.sort(Comparator.comparing(DescribedOption::name));
        fields.addAll(methods);
        return fields;
    }

    static DescribedOption read(OptionSpec option) {
        String text = String.join(" ", option.description()).replace("%%", "%");
        List<String> candidates = new ArrayList<>();
        if (option.completionCandidates() != null && !OptionTypes.isBoolean(option)) {
            option.completionCandidates().forEach(candidates::add);
        }
        return new DescribedOption(
                option,
                OptionNames.normalised(option.longestName()),
                List.copyOf(candidates),
                byDefault(option, text),
                text);
    }

    private static @Nullable String byDefault(OptionSpec option, String text) {
        Object initial = option.initialValue();
        if (initial instanceof List<?> list) {
            return list.isEmpty()
                    ? null
                    : String.join(",", list.stream().map(Object::toString).toList());
        }
        if (initial != null) {
            return initial.toString().isEmpty() ? null : initial.toString();
        }
        Matcher stated = LAST_DEFAULT.matcher(text);
        return stated.find() ? stated.group(1) : null;
    }

    /** Whether the command refuses to run without this option. The description of such an option begins with "Required". */
    boolean isRequired() {
        return text.startsWith("Required");
    }

    /** Whether it takes several values, a list in a config file. */
    boolean isList() {
        return option.isMultiValue();
    }

    /** The type of a value, or of an element of a list. */
    Class<?> type() {
        return isList() ? option.auxiliaryTypes()[0] : option.type();
    }

    /** The values that it takes, in words. */
    String values() {
        if (OptionTypes.isGrid(option)) {
            return "option=value,value; in a config file a mapping from options to lists";
        }
        String one = candidates.isEmpty()
                ? OptionRange.find(name).map(OptionRange::words).orElse(kind())
                : "one of " + String.join(", ", candidates);
        return isList() ? "list: " + one : one;
    }

    private String kind() {
        Class<?> type = type();
        if (OptionTypes.isBoolean(option)) {
            return "true or false";
        }
        if (OptionTypes.isNumeric(option)) {
            return isWhole() ? "a whole number" : "a number";
        }
        if (type == OptionMap.class) {
            return "a mapping";
        }
        if (type == DatasetList.class) {
            return "a list of mappings";
        }
        if (type == EvalDatasets.class) {
            return "a path, or a mapping of names to a path or a list of paths";
        }
        return type == Path.class ? "a path" : "text";
    }

    /** Whether it takes whole numbers only. */
    boolean isWhole() {
        return List.of(int.class, Integer.class, long.class, Long.class).contains(type());
    }
}
