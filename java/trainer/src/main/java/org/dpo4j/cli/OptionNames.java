package org.dpo4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.TypeConversionException;

/** Options under one spelling: TRL's, with underscores; {@code --max-length} is {@code --max_length}. */
final class OptionNames {
    /** Options about the command line itself, which no file sets. */
    private static final Set<String> OF_THE_COMMAND_LINE = Set.of("config", "debug", "help", "version");

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
        known.addAll(OF_THE_COMMAND_LINE);
    }

    static String normalised(String name) {
        return name.replaceFirst("^-+", "").replace('-', '_');
    }

    /** What a file may set of a command. */
    static Set<String> settable(CommandSpec command) {
        Set<String> names = new TreeSet<>();
        for (OptionSpec option : command.options()) {
            names.add(normalised(option.longestName()));
        }
        names.removeAll(OF_THE_COMMAND_LINE);
        return names;
    }

    /**
     * The arguments with known options in the one spelling, without those that ask for what holds anyway. Throws for
     * options that the command has not.
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

    /** Whether it is {@code no_} and an option, which transformers' parser reads as that option being false. */
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
        if (!given.add(name)) {
            throw new Dpo4jException(name + " is given twice; leave one out");
        }
        OptionSpec option = command.findOption("--" + name);
        if (option == null) {
            checked.add("--" + name + (attached == null ? "" : "=" + attached));
        } else if (OptionTypes.isBoolean(option)) {
            takeBoolean(option, name, attached);
        } else {
            takeValue(option, name, attached);
        }
    }

    private void takeValue(OptionSpec option, String name, @Nullable String attached) {
        if (attached == null && !valueFollows(option)) {
            throw new Dpo4jException(name + " has no value; give one");
        }
        String value = attached == null ? arguments.get(next++) : attached; // whatever it looks like
        String fault = OptionTypes.fault(option, value);
        if (fault != null) {
            throw new Dpo4jException(name + " " + fault);
        }
        if (attached == null && option.isMultiValue()) {
            checked.addAll(List.of("--" + name, value)); // more values may follow
        } else {
            checked.add("--" + name + "=" + value);
        }
    }

    private boolean valueFollows(OptionSpec option) {
        if (next == arguments.size()) {
            return false;
        }
        String following = arguments.get(next);
        return !following.startsWith("--") || !known.contains(normalised(following.replaceFirst("=.*", "")));
    }

    private void takeBoolean(OptionSpec option, String name, @Nullable String attached) {
        boolean takesValue = option.arity().max() > 0;
        String value = attached != null ? attached : takesValue && hasValue() ? arguments.get(next++) : "true";
        Boolean truth = OptionTypes.truth(value);
        if (truth == null) {
            String fault = OptionTypes.fault(option, value);
            throw new Dpo4jException(
                    name + (fault == null ? " is " + value + "; it must be true or false" : " " + fault));
        }
        checked.add("--" + name + (takesValue || !truth ? "=" + truth : ""));
    }

    /** Whether the next argument is a value, not an option. */
    private boolean hasValue() {
        return next < arguments.size() && !isOption(arguments.get(next));
    }

    /** Whether it begins as an option does; a negative number does not. */
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
