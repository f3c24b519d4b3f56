package org.dpo4j.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.OutputFile;
import org.dpo4j.kernels.Dpo4jException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code dpo4j options}: writes the option reference. */
@Command(
        name = "options",
        description = "Write the option reference: OPTIONS.md, docs/options/COMMAND.md with a table of its options, and"
                + " schema/COMMAND.json, a JSON Schema of its YAML files.")
final class OptionsCommand implements Callable<Integer> {
    private static final String SCHEMAS = "schema";

    @Spec
    private CommandSpec command;

    @Option(names = "--output_dir", description = "Directory to write to; default the working directory.")
    private Path outputDir = Path.of("");

    @Override
    public Integer call() {
        files(command.root()).forEach((name, content) -> {
            Path file = outputDir.resolve(name);
            makeDirectory(file.resolveSibling("."));
            Output.write(file, out -> out.print(content));
            Output.standard().println(file);
        });
        return 0;
    }

    private static void makeDirectory(Path directory) {
        try {
            OutputFile.makeDirectory(directory);
        } catch (IOException e) {
            throw new Dpo4jException(
                    directory + " cannot be made (" + FileErrors.reason(e) + "); name another output_dir", e);
        }
    }

    /** The contents of the files, by name. */
    static Map<String, String> files(CommandSpec root) {
        root.commandLine().setInterpolateVariables(true); // for ${DEFAULT-VALUE} in descriptions
        Map<String, String> files = new LinkedHashMap<>();
        files.putAll(OptionTables.files(root));
        for (CommandLine each : root.subcommands().values()) {
            CommandSpec spec = each.getCommandSpec();
            if (!OptionNames.settable(spec).isEmpty()) {
                files.put(SCHEMAS + "/" + spec.name() + ".json", JsonFile.text(OptionSchema.schema(spec)));
            }
        }
        return files;
    }
}
