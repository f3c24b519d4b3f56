package org.dpo4j.cli;

import java.math.BigInteger;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.train.DatasetList;
import org.dpo4j.train.EvalDatasets;
import org.dpo4j.train.OptimizerName;
import org.dpo4j.train.OptionMap;
import org.dpo4j.train.OptionRange;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.TypeConversionException;

/**
 * Converts the text of option values, as Python does for TRL's options. The message of a converter's exception
 * completes {@code "NAME is VALUE; it must be"}.
 */
final class OptionTypes {
    private static final Pattern WHOLE = Pattern.compile("[-+]?[0-9]+(_[0-9]+)*");
    private static final Pattern NUMBER =
            Pattern.compile("[-+]?([0-9]+(_[0-9]+)*\\.?([0-9]+(_[0-9]+)*)?|\\.[0-9]+(_[0-9]+)*)([eE][-+]?[0-9]+)?");

    /** Options whose path is a directory. */
    private static final Set<String> DIRECTORIES = Set.of("--model_name_or_path", "--output_dir", "--logging_dir");

    private OptionTypes() {}

    /** Registers the converters. */
    static void register(CommandLine commands) {
        commands.registerConverter(Path.class, OptionTypes::path);
        for (Class<Integer> type : List.of(int.class, Integer.class)) {
            commands.registerConverter(type, text -> (int) whole(text, Integer.MIN_VALUE, Integer.MAX_VALUE));
        }
        for (Class<Long> type : List.of(long.class, Long.class)) {
            commands.registerConverter(type, text -> whole(text, Long.MIN_VALUE, Long.MAX_VALUE));
        }
        for (Class<Double> type : List.of(double.class, Double.class)) {
            commands.registerConverter(type, OptionTypes::number);
        }
        for (Class<Float> type : List.of(float.class, Float.class)) {
            commands.registerConverter(type, OptionTypes::narrow);
        }
        commands.registerConverter(OptionMap.class, OptionTypes::map);
        commands.registerConverter(DatasetList.class, OptionTypes::datasets);
        commands.registerConverter(EvalDatasets.class, OptionTypes::evalDatasets);
        commands.registerConverter(SweepGrid.class, OptionTypes::grid);
        registerEnums(commands, commands);
        commands.getSubcommands().values().forEach(command -> registerEnums(commands, command));
    }

    private static void registerEnums(CommandLine commands, CommandLine command) {
        for (OptionSpec option : command.getCommandSpec().options()) {
            if (option.type().isEnum()) {
                registerEnum(commands, option.type());
            }
        }
    }

    private static <T> void registerEnum(CommandLine commands, Class<T> type) {
        commands.registerConverter(type, text -> {
            List<T> values = Arrays.asList(type.getEnumConstants());
            return values.stream()
                    .filter(value -> value.toString().equals(text))
                    .findFirst()
                    .orElseThrow(() -> new TypeConversionException(
                            type == OptimizerName.class ? OptimizerName.required(text) : "one of " + joined(values)));
        });
    }

    private static String joined(List<?> values) {
        return values.stream().map(Object::toString).collect(Collectors.joining(", "));
    }

    /** Whether the option takes true or false. */
    static boolean isBoolean(OptionSpec option) {
        return option.type() == boolean.class || option.type() == Boolean.class;
    }

    /** Whether the option is a grid of a sweep, which may be given several times, and is a mapping in a config file. */
    static boolean isGrid(OptionSpec option) {
        return option.isMultiValue() && option.auxiliaryTypes()[0] == SweepGrid.class;
    }

    /** The error for a value that is not of the option's type. */
    static String conversion(String name, String value, TypeConversionException wanted) {
        if (value.isEmpty()) {
            return name + " is missing: its value is empty; give one, or leave the option out";
        }
        String range = OptionRange.find(name).map(OptionRange::words).orElse(String.valueOf(wanted.getMessage()));
        return name + " is " + value + "; it must be " + range;
    }

    /** Whether the option takes numbers. */
    static boolean isNumeric(OptionSpec option) {
        Class<?> type = option.isMultiValue() ? option.auxiliaryTypes()[0] : option.type();
        return type != boolean.class && type.isPrimitive() || Number.class.isAssignableFrom(type);
    }

    /**
     * The error in a value's text that does not depend on its type: it is empty, has an empty element, or names a
     * directory although a file is expected. The result continues a message that begins with the option's name; null if
     * the text is valid.
     */
    static @Nullable String fault(OptionSpec option, String value) {
        if (value.isEmpty()) {
            return option.longestName().equals("--prompt")
                    ? null
                    : "is missing: its value is empty; give one, or leave the option out";
        }
        if (isFile(option) && value.endsWith("/")) { // a Path drops the slash
            return "is " + value + ", which names a directory (a / ends it); name a file";
        }
        boolean isOneOfSeveral = !option.splitRegex().isEmpty()
                && Arrays.stream(value.split(",", -1)).anyMatch(String::isBlank);
        return isOneOfSeveral ? "is " + value + ", which has an empty element; leave that out" : null;
    }

    /** Whether the option names a file; the other paths are directories. */
    private static boolean isFile(OptionSpec option) {
        boolean isPath = option.type() == Path.class || option.type() == EvalDatasets.class;
        return isPath && !DIRECTORIES.contains(option.longestName());
    }

    /** The value of a boolean, as YAML 1.1 and transformers' HfArgumentParser read it; null for any other text. */
    static @Nullable Boolean truth(String text) {
        return switch (text.toLowerCase(Locale.ROOT)) {
            case "true", "yes", "on", "t", "y", "1" -> true;
            case "false", "no", "off", "f", "n", "0" -> false;
            default -> null;
        };
    }

    /** A path; a leading {@code ~} is the home directory. */
    static Path path(String text) {
        if (text.isEmpty()) {
            throw new TypeConversionException("a path");
        }
        if (!text.startsWith("~")) {
            return literal(text);
        }
        if (text.length() > 1 && text.charAt(1) != '/') {
            throw new TypeConversionException(
                    "a path: only ~ and ~/ are expanded, so write out the home directory, or ./~ for a name");
        }
        String home = System.getenv("HOME");
        if (home == null || home.isEmpty()) {
            home = System.getProperty("user.home", "?");
        }
        if (!home.startsWith("/")) {
            throw new TypeConversionException("a path without ~: the environment names no home directory (HOME)");
        }
        return literal(home + text.substring(1));
    }

    private static DatasetList datasets(String text) {
        try {
            return DatasetList.parse(text);
        } catch (Dpo4jException e) {
            throw new TypeConversionException("a list of data sets (" + e.getMessage() + ")");
        }
    }

    private static EvalDatasets evalDatasets(String text) {
        try {
            return EvalDatasets.parse(text, OptionTypes::path);
        } catch (Dpo4jException e) {
            throw new TypeConversionException("a path, or name=path,... (" + e.getMessage() + ")");
        }
    }

    private static SweepGrid grid(String text) {
        try {
            return SweepGrid.parse(text);
        } catch (Dpo4jException e) {
            throw new TypeConversionException("OPTION=VALUE,VALUE (" + e.getMessage() + ")");
        }
    }

    private static OptionMap map(String text) {
        try {
            return OptionMap.parse(text);
        } catch (Dpo4jException e) {
            throw new TypeConversionException("a JSON object, or key=value,... (" + e.getMessage() + ")");
        }
    }

    private static Path literal(String text) {
        try {
            return Path.of(text);
        } catch (InvalidPathException e) {
            throw new TypeConversionException("a path without control characters");
        }
    }

    private static long whole(String given, long min, long max) {
        String text = given.strip();
        if (!WHOLE.matcher(text).matches()) {
            throw new TypeConversionException("a whole number");
        }
        BigInteger value = new BigInteger(text.replace("_", ""));
        if (value.bitLength() > 63 || value.longValue() < min || value.longValue() > max) {
            throw new TypeConversionException("a whole number from " + min + " to " + max);
        }
        return value.longValue();
    }

    private static float narrow(String text) {
        double wide = number(text);
        float value = (float) wide;
        if (Double.isFinite(wide) && (Float.isInfinite(value) || value == 0 && wide != 0)) {
            throw new TypeConversionException("a number that float32 holds: 0, or from 1.4e-45 to 3.4e38 in size");
        }
        return value;
    }

    private static double number(String given) {
        String text = given.strip();
        if (NUMBER.matcher(text).matches()) {
            return Double.parseDouble(text.replace("_", ""));
        }
        return switch (text.toLowerCase(Locale.ROOT)) {
            case "nan", "+nan", "-nan" -> Double.NaN;
            case "inf", "+inf", "infinity", "+infinity" -> Double.POSITIVE_INFINITY;
            case "-inf", "-infinity" -> Double.NEGATIVE_INFINITY;
            default -> throw new TypeConversionException("a number");
        };
    }
}
