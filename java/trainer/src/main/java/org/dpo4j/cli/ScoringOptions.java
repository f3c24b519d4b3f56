package org.dpo4j.cli;

import java.io.PrintStream;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.dpo4j.train.OptionRange;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How {@code logps} and {@code score} compute the log-probs of rows, and where the lines of rows are written. */
final class ScoringOptions {
    @Option(
            names = "--output",
            description =
                    "File for the lines of rows, which appears only when complete; a pipe; or - for standard output."
                            + " Default: logps writes them to standard output, score leaves them out.")
    private @Nullable Path output;

    @Option(
            names = "--per_token",
            arity = "0..1",
            fallbackValue = "true",
            description = "Add the log-prob or the reward of every token to the lines: chosen_token_logps,"
                    + " rejected_token_logps and token_logps, of score chosen_token_rewards and so on.")
    private boolean perToken = false;

    @Option(
            names = "--batch_tokens",
            description = "Maximum tokens of a batch; a batch has at least one row; default ${DEFAULT-VALUE}.")
    private int batchTokens = 4096;

    /** Throws, naming the option, if a number is out of its range or the file cannot be written. */
    void check() {
        OptionRange.BATCH_TOKENS.check(batchTokens);
        Output.check(output);
    }

    boolean hasOutput() {
        return output != null;
    }

    boolean isPerToken() {
        return perToken;
    }

    /** Whether the lines go to standard output because the user says so. */
    boolean isStandardOutput() {
        return output != null && output.toString().equals("-");
    }

    CompletionRows.Pass pass() {
        return new CompletionRows.Pass(batchTokens, perToken);
    }

    /** Writes the lines to the file of {@code output}, or to standard output if the option is not given. */
    void write(Consumer<PrintStream> lines) {
        Output.write(output, lines);
    }
}
