package org.dpo4j.cli;

import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code dpo4j completion}: prints a script that completes commands, options and values in a shell. */
@Command(
        name = "completion",
        description = "Print a script that completes commands, options and values in bash and zsh:"
                + " source <(./dpo4j completion)")
final class CompletionCommand implements Callable<Integer> {
    @Spec
    private CommandSpec command;

    @Override
    public Integer call() {
        String script = AutoComplete.bash("dpo4j", command.root().commandLine());
        Output.write(null, out -> out.print(script));
        return 0;
    }
}
