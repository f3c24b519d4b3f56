package org.dpo4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.train.EvalDatasets;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.TypeConversionException;

/**
 * Checks the options of a command line and spells them as TRL does: {@code --max-length} becomes {@code --max_length}.
 */
final class OptionNames {
    /** Options that a config file cannot set. */
    private static final Set<String> COMMAND_LINE_ONLY = Set.of("config", "debug", "help", "version");

    private final CommandSpec command;
    private final Set<String> known;
    private final List<String> arguments;
    private final List<String> checked = new ArrayList<>();
    private final Set<String> given = new HashSet<>();
    private int next;

    private OptionNames(String[] arguments, CommandSpec command) {
        this.command = command;
        this.arguments = Arrays.asList(arguments);
        this.known = settable(command);
        known.addAll(COMMAND_LINE_ONLY);
    }

    static String normalised(String name) {
        return name.replaceFirst("^-+", "").replace('-', '_');
    }

    /** Names of the options that a config file may set for a command. */
    static Set<String> settable(CommandSpec command) {
        Set<String> names = new TreeSet<>();
        for (OptionSpec option : command.options()) {
            names.add(normalised(option.longestName()));
        }
        names.removeAll(COMMAND_LINE_ONLY);
        return names;
    }

    /**
     * The arguments with TRL's spelling, without options of TRL whose value changes nothing here ({@link
     * OtherOptions}). Throws for unknown options, missing values and options given twice.
     */
    static String[] checked(String[] arguments, CommandSpec command) {
        OptionNames names = new OptionNames(arguments, command);
        while (names.next < arguments.length) {
            names.take(arguments[names.next++]);
        }
        return names.checked.toArray(String[]::new);
    }

    private void take(String argument) {
        if (!isOption(argument) || argument.equals("-h")) {
            checked.add(argument);
            return;
        }
        int equals = argument.indexOf('=');
        String written = equals < 0 ? argument : argument.substring(0, equals);
        String attached = equals < 0 ? null : argument.substring(equals + 1);
        String name = normalised(written);
        boolean isLong = argument.startsWith("--");
        if (isLong && known.contains(name)) {
            takeKnown(name, attached);
        } else if (isLong && OtherOptions.has(name)) {
            String value = attached != null ? attached : hasValue() ? arguments.get(next++) : "true";
            OtherOptions.check("--" + name, name, value);
        } else if (isLong && attached == null && isNegation(name)) {
            takeNegation(name.substring("no_".length()));
        } else {
            throw new Dpo4jException("unknown option " + written + " of " + command.name()
                    + NearestName.suggestion(name, settable(command)));
        }
    }

    /**
     * Whether the name is {@code no_} and a boolean option; transformers' parser reads it as that option set to false.
     */
    private boolean isNegation(String name) {
        if (!name.startsWith("no_")) {
            return false;
        }
        String positive = name.substring("no_".length());
        OptionSpec option = command.findOption("--" + positive);
        return option == null
                ? OtherOptions.has(positive)
                : OptionTypes.isBoolean(option) && option.arity().max() > 0;
    }

    private void takeNegation(String positive) {
        if (known.contains(positive)) {
            takeKnown(positive, "false");
        } else {
            OtherOptions.check("--" + positive, positive, "false");
        }
    }

    private void takeKnown(String name, @Nullable String attached) {
        OptionSpec option = command.findOption("--" + name);
        if (!given.add(name) && (option == null || !OptionTypes.isGrid(option))) {
            takeAgain(option, name, attached);
        } else if (option == null) {
            checked.add("--" + name + (attached == null ? "" : "=" + attached));
        } else if (OptionTypes.isBoolean(option)) {
            takeBoolean(option, name, attached);
        } else {
            takeValue(option, name, attached);
        }
    }

    /** Named evaluation sets may be given one by one: they are joined as one value. Throws for any other option. */
    private void takeAgain(@Nullable OptionSpec option, String name, @Nullable String attached) {
        if (option == null || option.type() != EvalDatasets.class) {
            throw new Dpo4jException(name + " is given twice; leave one out");
        }
        String prefix = "--" + name + "=";
        int at = 0;
        while (!checked.get(at).startsWith(prefix)) {
            at++;
        }
        String before = checked.get(at).substring(prefix.length());
        String value = value(option, name, attached);
        if (!EvalDatasets.isNamed(before) || !EvalDatasets.isNamed(value)) {
            throw new Dpo4jException(
                    name + " is given twice; name the sets: --" + name + " NAME=PATH --" + name + " NAME2=PATH2");
        }
        checked.set(at, prefix + before + "," + value);
    }

    private String value(OptionSpec option, String name, @Nullable String attached) {
        if (attached == null && !isValueNext(option)) {
            throw new Dpo4jException(name + " has no value; give one");
        }
        String value = attached == null ? arguments.get(next++) : attached;
        String fault = OptionTypes.fault(option, value);
        if (fault != null) {
            throw new Dpo4jException(name + " " + fault);
        }
        return value;
    }

    private void takeValue(OptionSpec option, String name, @Nullable String attached) {
        String value = value(option, name, attached);
        if (attached == null && option.isMultiValue()) {
            checked.addAll(List.of("--" + name, value)); // more values may follow
        } else {
            checked.add("--" + name + "=" + value);
        }
    }

    private boolean isValueNext(OptionSpec option) {
        if (next == arguments.size()) {
            return false;
        }
        String following = arguments.get(next);
        return !following.startsWith("--") || !known.contains(normalised(following.replaceFirst("=.*", "")));
    }

    private void takeBoolean(OptionSpec option, String name, @Nullable String attached) {
        boolean isValueAllowed = option.arity().max() > 0;
        String value = attached != null ? attached : isValueAllowed && hasValue() ? arguments.get(next++) : "true";
        Boolean truth = OptionTypes.truth(value);
        if (truth == null) {
            String fault = OptionTypes.fault(option, value);
            throw new Dpo4jException(
                    name + (fault == null ? " is " + value + "; it must be true or false" : " " + fault));
        }
        checked.add("--" + name + (isValueAllowed || !truth ? "=" + truth : ""));
    }

    /** Whether there is a next argument and it is not an option. */
    private boolean hasValue() {
        return next < arguments.size() && !isOption(arguments.get(next));
    }

    /** Whether the argument looks like an option; a negative number does not. */
    private static boolean isOption(String argument) {
        return argument.matches("(?s)--?[^-0-9.].*");
    }

    /** The value of {@code --config}, or null. */
    static @Nullable Path config(String[] arguments) {
        for (int i = 0; i < arguments.length; i++) {
            if (arguments[i].startsWith("--config=")) {
                return path(arguments[i].substring("--config=".length()));
            }
            if (arguments[i].equals("--config") && i + 1 < arguments.length) {
                return path(arguments[i + 1]);
            }
        }
        return null;
    }

    private static Path path(String text) {
        try {
            return OptionTypes.path(text);
        } catch (TypeConversionException e) {
            throw new Dpo4jException(
                    text.isEmpty()
                            ? "config is missing: its value is empty; give a file"
                            : "config is " + text + "; it must be " + e.getMessage(),
                    e);
        }
    }
}
