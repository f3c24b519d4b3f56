package org.dpo4j.cli;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

/**
 * The option reference in Markdown: a page for each command, whose table has all options of the command with values, defaults and descriptions,
 * and OPTIONS.md, which lists the pages, the options of all commands and the environment variables.
 */
final class OptionTables {
    private static final String PAGES = "docs/options/";

    private static final String INTRODUCTION = """
            # Options

            `./dpo4j options` writes this file, `docs/options/` and `schema/` from the program; do not edit them.

            Give an option on the command line (`--max_length 512`, `--max-length=512`), or in a YAML file that `--config` names (`max_length: 512`). The
            command line overrides the file. Names, defaults and meanings are TRL's where TRL has the option ([COMPATIBILITY](COMPATIBILITY.md)).

            * An editor with a YAML language server completes and checks a file whose first line is
              `# yaml-language-server: $schema=PATH/schema/dpo.json`, with the name of the command.
            * `source <(./dpo4j completion)` completes commands, options and values in bash and zsh.
            """;

    private OptionTables() {}

    /** The files for all commands of {@code root}, by name. Descriptions must be interpolated. */
    static Map<String, String> files(CommandSpec root) {
        Map<String, String> files = new LinkedHashMap<>();
        StringBuilder index = new StringBuilder(INTRODUCTION).append("\n## Commands\n\n| command | |\n| --- | --- |\n");
        for (CommandLine each : root.subcommands().values()) {
            CommandSpec command = each.getCommandSpec();
            String name = PAGES + command.name() + ".md";
            index.append("| [").append(command.name()).append("](").append(name).append(") | ");
            index.append(cell(description(command))).append(" |\n");
            files.put(name, page(command));
        }
        index.append("\n## Options of all commands\n\n");
        index.append(table(root.options().stream()
                .filter(option -> !option.hidden())
                .map(DescribedOption::read)
                .toList()));
        index.append("\n## Environment variables\n\n").append(environment());
        files.put("OPTIONS.md", index.toString());
        return files;
    }

    private static String page(CommandSpec command) {
        return "# Options of `" + command.name() + "`\n\n" + cell(description(command)) + "\n\n"
                + "[Options of all commands, environment variables](../../OPTIONS.md).\n\n"
                + table(DescribedOption.settable(command));
    }

    private static String description(CommandSpec command) {
        return String.join(" ", command.usageMessage().description());
    }

    private static String table(List<DescribedOption> options) {
        if (options.isEmpty()) {
            return "No options of its own.\n";
        }
        StringBuilder table = new StringBuilder("| option | values | default | |\n| --- | --- | --- | --- |\n");
        options.forEach(option -> table.append(row(option)));
        return table.toString();
    }

    private static String row(DescribedOption option) {
        String byDefault =
                option.isRequired() ? "**required**" : option.byDefault() == null ? "" : "`" + option.byDefault() + "`";
        return "| `" + option.name() + "` | " + cell(option.values()) + " | " + cell(byDefault) + " | "
                + cell(option.text()) + " |\n";
    }

    private static String environment() {
        StringBuilder table = new StringBuilder("| variable | |\n| --- | --- |\n");
        for (String[] row : TableFile.rows("environment.txt", 2)) {
            table.append("| `")
                    .append(row[0])
                    .append("` | ")
                    .append(cell(row[1]))
                    .append(" |\n");
        }
        return table.toString();
    }

    private static String cell(String words) {
        return words.replace("|", "\\|").replace("<", "&lt;").strip();
    }
}
