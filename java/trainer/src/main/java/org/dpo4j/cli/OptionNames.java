package org.dpo4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/** Options under one spelling: TRL's, with underscores; {@code --max-length} is {@code --max_length}. */
final class OptionNames {
    /** Options about the command line itself, which no file sets. */
    private static final Set<String> OF_THE_COMMAND_LINE = Set.of("config", "debug", "help", "version");

    private OptionNames() {}

    static String normalised(String name) {
        return name.replaceFirst("^-+", "").replace('-', '_');
    }

    /** What a file may set of a command. */
    static Set<String> of(CommandSpec command) {
        Set<String> names = new TreeSet<>();
        for (OptionSpec option : command.options()) {
            names.add(normalised(option.longestName()));
        }
        names.removeAll(OF_THE_COMMAND_LINE);
        return names;
    }

    /**
     * The arguments with known options in the one spelling, without those that ask for what holds anyway. Throws for
     * TRL's options that the command has not.
     */
    static String[] checked(String[] arguments, CommandSpec command) {
        Set<String> known = of(command);
        known.addAll(OF_THE_COMMAND_LINE);
        List<String> checked = new ArrayList<>();
        for (int i = 0; i < arguments.length; i++) {
            String argument = arguments[i];
            if (!argument.startsWith("--")) {
                checked.add(argument);
                continue;
            }
            int equals = argument.indexOf('=');
            String name = normalised(equals < 0 ? argument : argument.substring(0, equals));
            if (known.contains(name)) {
                checked.add("--" + name + (equals < 0 ? "" : argument.substring(equals)));
            } else if (OtherOptions.has(name)) {
                boolean valueFollows = equals < 0 && i + 1 < arguments.length && !arguments[i + 1].startsWith("--");
                String value = equals >= 0 ? argument.substring(equals + 1) : valueFollows ? arguments[++i] : "true";
                OtherOptions.check("--" + name, name, value);
            } else {
                checked.add(argument);
            }
        }
        return checked.toArray(String[]::new);
    }

    /** The value of {@code --config}, or null. */
    static @Nullable Path config(String[] arguments) {
        for (int i = 0; i < arguments.length; i++) {
            if (arguments[i].startsWith("--config=")) {
                return Path.of(arguments[i].substring("--config=".length()));
            }
            if (arguments[i].equals("--config") && i + 1 < arguments.length) {
                return Path.of(arguments[i + 1]);
            }
        }
        return null;
    }
}
