package org.dpo4j.cli;

import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

/** OPTIONS.md: a Markdown table of the options of each command, with values, defaults and descriptions. */
final class OptionTables {
    private static final String INTRODUCTION = """
            # Options

            `./dpo4j options` writes this file and `schema/` from the program; do not edit them.

            Give an option on the command line (`--max_length 512`, `--max-length=512`), or in a YAML file that `--config` names (`max_length: 512`). The
            command line overrides the file. Names, defaults and meanings are TRL's where TRL has the option ([COMPATIBILITY](COMPATIBILITY.md)).

            * An editor with a YAML language server completes and checks a file whose first line is
              `# yaml-language-server: $schema=PATH/schema/dpo.json`, with the name of the command.
            * `source <(./dpo4j completion)` completes commands, options and values in bash and zsh.
            """;

    private final StringBuilder text = new StringBuilder(INTRODUCTION);

    private OptionTables() {}

    /** The file for all commands of {@code root}. Descriptions must be interpolated. */
    static String markdown(CommandSpec root) {
        OptionTables tables = new OptionTables();
        tables.heading("All commands", "");
        tables.table(root.options().stream()
                .filter(option -> !option.hidden())
                .map(DescribedOption::read)
                .toList());
        for (CommandLine command : root.subcommands().values()) {
            tables.command(command.getCommandSpec());
        }
        tables.environment();
        return tables.text.toString();
    }

    private void command(CommandSpec command) {
        heading(command.name(), String.join(" ", command.usageMessage().description()));
        table(DescribedOption.settable(command));
    }

    private void heading(String title, String description) {
        text.append("\n## ").append(title).append("\n\n");
        if (!description.isEmpty()) {
            text.append(cell(description)).append("\n\n");
        }
    }

    private void table(List<DescribedOption> options) {
        if (options.isEmpty()) {
            text.append("No options of its own.\n");
            return;
        }
        text.append("| option | values | default | |\n| --- | --- | --- | --- |\n");
        for (DescribedOption option : options) {
            String byDefault = option.byDefault() == null ? "" : "`" + option.byDefault() + "`";
            text.append("| `").append(option.name()).append("` | ").append(cell(option.values()));
            text.append(" | ")
                    .append(cell(byDefault))
                    .append(" | ")
                    .append(cell(option.text()))
                    .append(" |\n");
        }
    }

    private void environment() {
        heading("Environment variables", "");
        text.append("| variable | |\n| --- | --- |\n");
        for (String[] row : TableFile.rows("environment.txt", 2)) {
            text.append("| `")
                    .append(row[0])
                    .append("` | ")
                    .append(cell(row[1]))
                    .append(" |\n");
        }
    }

    private static String cell(String words) {
        return words.replace("|", "\\|").replace("<", "&lt;").strip();
    }
}
