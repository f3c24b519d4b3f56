package org.dpo4j.cli;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Consumer;
import org.dpo4j.io.OutputFile;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

/** Writes the result of a command, in UTF-8 whatever the locale. */
final class Output {
    private Output() {}

    /** Throws if the result could not be written to {@code file}; null is standard output. */
    static void check(@Nullable Path file) {
        if (file != null) {
            OutputFile.check(file);
        }
    }

    /** Writes to a file as {@link OutputFile} does, or to standard output if {@code file} is null. */
    static void write(@Nullable Path file, Consumer<PrintStream> content) {
        OutputFile.write(file == null ? Path.of("-") : file, channel -> {
            PrintStream out = new PrintStream(Channels.newOutputStream(channel), false, StandardCharsets.UTF_8);
            content.accept(out);
            if (out.checkError()) { // flushes; a PrintStream keeps its exceptions to itself
                throw new IOException("the disk is full, or the reader of the pipe has closed it");
            }
        });
    }

    /** Prints a line on standard error. */
    static void notice(String line) {
        System.err.println("dpo4j: " + line);
    }

    /** Prints facts about rows on standard error, each line after the name of their source. */
    @SafeVarargs
    static void describe(String source, Map<String, String>... facts) {
        for (Map<String, String> each : facts) {
            each.forEach((name, fact) -> fact.lines()
                    .forEach(line -> notice(source + ": " + (name.equals("rows") ? "" : name + ": ") + line)));
        }
    }

    /** Throws picocli's exception for an unusable command line (exit code 2) if a required option is not given. */
    static void require(CommandSpec command, String option, boolean isGiven) {
        if (!isGiven) {
            throw new ParameterException(command.commandLine(), option + " is missing; give it");
        }
    }

    static PrintStream standard() {
        return new PrintStream(System.out, true, StandardCharsets.UTF_8);
    }
}
