package org.dpo4j.cli;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.dpo4j.data.TokenizerLibrary;
import org.dpo4j.io.OneLine;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.MissingParameterException;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.TypeConversionException;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * The command line: {@code dpo4j COMMAND}. Exit codes: 0 for success, 1 if the command failed, 2 if it was not
 * understood, 128 plus the signal's number if a signal ended it.
 */
@Command(
        name = "dpo4j",
        description = "Direct Preference Optimization on the JVM.",
        versionProvider = Main.Version.class,
        footer = {
            "",
            "Options have TRL's names, written with - or _. Give them on the command line or in --config file.yaml."
        })
@SuppressWarnings("UnusedVariable") // picocli handles these options, or they are looked up before it parses
public final class Main {
    private static final List<Class<?>> COMMANDS = List.of(
            QuickstartCommand.class,
            SftCommand.class,
            DpoCommand.class,
            KtoCommand.class,
            SweepDpoCommand.class,
            SweepKtoCommand.class,
            SweepSftCommand.class,
            DataCommand.class,
            LogpsCommand.class,
            ScoreCommand.class,
            GenerateCommand.class,
            ChatCommand.class,
            ExportCommand.class,
            MergeCommand.class,
            ReportCommand.class,
            DoctorCommand.class,
            OptionsCommand.class,
            CompletionCommand.class);

    /** The commands that read the options of the others. */
    private static final Set<Class<?>> NEED_ALL = Set.of(OptionsCommand.class, CompletionCommand.class);

    private static final int FAILED = 1;
    private static final int NOT_UNDERSTOOD = 2;
    private static final String NO_COMMAND = "no command; ./dpo4j help lists them";

    @Option(
            names = "--config",
            scope = ScopeType.INHERIT,
            paramLabel = "<file.yaml>",
            description = "YAML file of options, one per line; an option on the command line overrides it.")
    private @Nullable Path config;

    @Option(names = "--debug", scope = ScopeType.INHERIT, description = "Print the Java stack trace of an error.")
    private boolean debug = false;

    @Option(
            names = {"-h", "--help"},
            scope = ScopeType.INHERIT,
            usageHelp = true,
            description = "Show this help.")
    private boolean help = false;

    @Option(names = "--version", versionHelp = true, description = "Show the version.")
    private boolean version = false;

    /** The version of the jar. */
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            String implementation = Main.class.getPackage().getImplementationVersion();
            return new String[] {"dpo4j " + (implementation == null ? "(not from a jar)" : implementation)};
        }
    }

    private Main() {}

    public static void main(String[] arguments) {
        System.exit(run(arguments));
    }

    /** Runs a command; returns its exit code. Errors are one line on standard error. */
    public static int run(String... arguments) {
        System.setProperty("slf4j.internal.verbosity", "ERROR"); // hides SLF4J's warning that no logger is configured
        System.setProperty(TokenizerLibrary.ASKS_PROCESS_FOR_GPUS, "true");
        CommandLine commands = new CommandLine(new Main());
        commandsFor(arguments).forEach(commands::addSubcommand);
        commands.setUsageHelpWidth(100);
        commands.setExpandAtFiles(false); // a value may begin with @
        OptionTypes.register(commands);
        commands.setParameterExceptionHandler((e, words) -> report(message(e, words), e, words, NOT_UNDERSTOOD));
        commands.setExecutionExceptionHandler((e, command, parsed) ->
                reportFailure(e, command, parsed.originalArgs().toArray(String[]::new)));
        try {
            return commands.execute(prepare(commands, arguments));
        } catch (Dpo4jException e) {
            return report(message(e), e, arguments, NOT_UNDERSTOOD);
        } catch (OutOfMemoryError | LinkageError e) {
            return report(message(e), e, arguments, FAILED);
        }
    }

    /**
     * The commands that a line may need: the one that its first word names, else all. Picocli reads the options of a
     * command by reflection, which takes longer than anything else before a command runs.
     */
    private static List<Class<?>> commandsFor(String[] arguments) {
        return COMMANDS.stream()
                .filter(type -> arguments.length > 0
                        && arguments[0].equals(type.getAnnotation(Command.class).name()))
                .findFirst()
                .filter(type -> !NEED_ALL.contains(type))
                .<List<Class<?>>>map(List::of)
                .orElse(COMMANDS);
    }

    /**
     * Checks the arguments and returns them in one spelling. Makes the values of the config file the options' defaults.
     */
    private static String[] prepare(CommandLine commands, String[] arguments) {
        if (arguments.length == 0) {
            throw new Dpo4jException(NO_COMMAND);
        }
        if (arguments[0].equals("help")) {
            return arguments.length == 1 ? new String[] {"--help"} : new String[] {arguments[1], "--help"};
        }
        if (String.join("", arguments)
                .contains("\ufffd")) { // Java's replacement for bytes that the locale cannot decode
            throw new Dpo4jException("the locale cannot represent the arguments; set LC_ALL=C.UTF-8 and try again");
        }
        CommandLine command = Arrays.stream(arguments)
                .filter(commands.getSubcommands()::containsKey)
                .findFirst()
                .map(commands.getSubcommands()::get)
                .orElse(commands);
        if (command == commands && !arguments[0].startsWith("-")) {
            throw new Dpo4jException("unknown word " + arguments[0] + " (./dpo4j help lists the commands)"
                    + NearestName.suggestion(
                            arguments[0], commands.getSubcommands().keySet()));
        }
        String[] checked = OptionNames.checked(arguments, command.getCommandSpec());
        boolean isHelp = Arrays.asList(checked).contains("--help")
                || Arrays.asList(checked).contains("-h");
        commands.setInterpolateVariables(isHelp); // for ${DEFAULT-VALUE} in help, never in values
        Path file = isHelp ? null : OptionNames.config(checked);
        if (file != null) {
            if (command == commands) {
                throw new Dpo4jException(NO_COMMAND);
            }
            commands.setDefaultValueProvider(ConfigFile.read(file, command.getCommandSpec()));
        }
        return checked;
    }

    private static String message(ParameterException e, String[] words) {
        if (e instanceof UnmatchedArgumentException unmatched
                && !unmatched.getUnmatched().isEmpty()) {
            return "unknown word " + unmatched.getUnmatched().get(0) + " of "
                    + e.getCommandLine().getCommandName();
        }
        if (e instanceof MissingParameterException missing
                && !missing.getMissing().isEmpty()
                && missing.getMissing().get(0) instanceof OptionSpec option) {
            return missing(e, OptionNames.normalised(option.longestName()), words);
        }
        if (e.getCause() instanceof TypeConversionException wanted && e.getArgSpec() instanceof OptionSpec option) {
            String name = OptionNames.normalised(option.longestName());
            return origin(e.getCommandLine(), name, words)
                    + OptionTypes.conversion(name, String.valueOf(e.getValue()), wanted);
        }
        return firstLine(String.valueOf(e.getMessage()));
    }

    /** The error for a required option that is missing, or whose value in a config file picocli reads as an option. */
    private static String missing(ParameterException e, String name, String[] words) {
        String origin = origin(e.getCommandLine(), name, words);
        return origin.isEmpty()
                ? name + " is missing; give it"
                : origin + name + " has a value that looks like an option; give another";
    }

    /** The file and line of an option's value; empty if the command line gives the value. */
    private static String origin(CommandLine command, String name, String[] words) {
        boolean isTyped = Arrays.stream(words).anyMatch(word -> word.matches("(?s)--" + name + "(=.*)?"));
        return !isTyped && command.getDefaultValueProvider() instanceof ConfigFile config ? config.origin(name) : "";
    }

    /**
     * The file and line for a message that begins with the name of an option, as messages about ranges do. Of the
     * options named before the first semicolon, where the advice begins, it uses the first that the file sets.
     */
    private static String originOfMessage(String message, CommandLine command, String[] words) {
        Set<String> options = OptionNames.settable(command.getCommandSpec());
        List<String> named = List.of(message.replaceFirst("(?s);.*", "").split("\\W+"));
        if (!options.contains(named.get(0))) {
            return "";
        }
        return named.stream()
                .filter(options::contains)
                .map(name -> origin(command, name, words))
                .filter(origin -> !origin.isEmpty())
                .findFirst()
                .orElse("");
    }

    private static String message(Throwable e) {
        if (e instanceof Dpo4jException) {
            return String.valueOf(e.getMessage());
        }
        if (e instanceof OutOfMemoryError) {
            return "out of memory (" + e.getMessage() + "); use smaller batches or a larger -Xmx in DPO4J_JAVA_OPTIONS";
        }
        return "internal error: " + firstLine(e.toString()) + "; run it again with --debug and report the output";
    }

    private static String firstLine(String text) {
        return text.lines().findFirst().orElse(text);
    }

    private static int reportFailure(Throwable e, CommandLine command, String[] words) {
        String message = message(e);
        String origin = e instanceof Dpo4jException ? originOfMessage(message, command, words) : "";
        return report(origin + message, e, words, FAILED);
    }

    private static int report(String message, Throwable cause, String[] arguments, int exitCode) {
        System.err.println("dpo4j: error: " + OneLine.visible(message));
        if (Arrays.asList(arguments).contains("--debug")) {
            cause.printStackTrace();
        }
        return exitCode;
    }
}
