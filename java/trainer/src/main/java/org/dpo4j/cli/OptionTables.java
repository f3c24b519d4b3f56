package org.dpo4j.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

/**
 * OPTIONS.md: Markdown tables of the options of each command, with values, defaults and descriptions. Options that several
 * commands have in common are in a section of their own, to which these commands refer.
 */
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

    /** Fewer common options are listed with each command. */
    private static final int MIN_COMMON = 3;

    private final StringBuilder text = new StringBuilder(INTRODUCTION);
    /** The rows of each command. */
    private final Map<CommandSpec, List<String>> rows = new LinkedHashMap<>();
    /** The commands that have a row, by row. */
    private final Map<String, List<String>> commands = new LinkedHashMap<>();
    /** The rows that the same several commands have, by title. */
    private final Map<String, List<String>> common = new LinkedHashMap<>();

    private OptionTables(CommandSpec root) {
        for (CommandLine command : root.subcommands().values()) {
            CommandSpec spec = command.getCommandSpec();
            List<String> own = DescribedOption.settable(spec).stream()
                    .map(OptionTables::row)
                    .toList();
            rows.put(spec, own);
            own.forEach(row ->
                    commands.computeIfAbsent(row, key -> new ArrayList<>()).add(spec.name()));
        }
        commands.forEach((row, names) -> {
            if (names.size() > 1) {
                common.computeIfAbsent(title(names), key -> new ArrayList<>()).add(row);
            }
        });
        common.values().removeIf(shared -> shared.size() < MIN_COMMON);
    }

    /** The file for all commands of {@code root}. Descriptions must be interpolated. */
    static String markdown(CommandSpec root) {
        OptionTables tables = new OptionTables(root);
        tables.heading("All commands", "");
        tables.table(root.options().stream()
                .filter(option -> !option.hidden())
                .map(DescribedOption::read)
                .map(OptionTables::row)
                .toList());
        tables.rows.forEach(tables::command);
        tables.common.forEach((title, shared) -> {
            tables.heading(title, "");
            tables.table(shared);
        });
        tables.environment();
        return tables.text.toString();
    }

    private static String title(List<String> names) {
        int last = names.size() - 1;
        return "Options of " + String.join(", ", names.subList(0, last)) + " and " + names.get(last);
    }

    private void command(CommandSpec command, List<String> all) {
        heading(command.name(), String.join(" ", command.usageMessage().description()));
        List<String> own = all.stream().filter(row -> !isCommon(row)).toList();
        String others = all.stream()
                .filter(this::isCommon)
                .map(row -> title(commands.getOrDefault(row, List.of())))
                .distinct()
                .map(title -> "[" + title + "](#" + anchor(title) + ")")
                .collect(Collectors.joining(", "));
        if (!others.isEmpty()) {
            text.append("Also: ").append(others).append(".\n\n");
        }
        if (!own.isEmpty() || others.isEmpty()) {
            table(own);
        }
    }

    private boolean isCommon(String row) {
        return common.getOrDefault(title(commands.getOrDefault(row, List.of(""))), List.of())
                .contains(row);
    }

    /** As GitHub makes it of a heading. */
    private static String anchor(String title) {
        return title.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9 -]", "").replace(' ', '-');
    }

    private void heading(String title, String description) {
        text.append("\n## ").append(title).append("\n\n");
        if (!description.isEmpty()) {
            text.append(cell(description)).append("\n\n");
        }
    }

    private void table(List<String> lines) {
        if (lines.isEmpty()) {
            text.append("No options of its own.\n");
            return;
        }
        text.append("| option | values | default | |\n| --- | --- | --- | --- |\n");
        lines.forEach(text::append);
    }

    private static String row(DescribedOption option) {
        String byDefault =
                option.isRequired() ? "**required**" : option.byDefault() == null ? "" : "`" + option.byDefault() + "`";
        return "| `" + option.name() + "` | " + cell(option.values()) + " | " + cell(byDefault) + " | "
                + cell(option.text()) + " |\n";
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
