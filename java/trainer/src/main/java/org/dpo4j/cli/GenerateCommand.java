package org.dpo4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.dpo4j.data.Dataset;
import org.dpo4j.data.Prompt;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.data.row.ChatTemplates;
import org.dpo4j.data.row.ColumnMap;
import org.dpo4j.data.row.OnPromptMismatch;
import org.dpo4j.data.row.RowOptions;
import org.dpo4j.io.InputFile;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Generator;
import org.dpo4j.model.Model;
import org.dpo4j.model.family.GenerationDefaults;
import org.dpo4j.report.Console;
import org.dpo4j.train.DeviceOptions;
import org.dpo4j.train.HubOptions;
import org.dpo4j.train.LoadingReport;
import org.dpo4j.train.ModelOptions;
import org.dpo4j.train.OptionMap;
import org.dpo4j.train.OptionRange;
import org.dpo4j.train.SeedOptions;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code dpo4j generate}: continues prompts. */
@Command(
        name = "generate",
        description = "Continue prompts.",
        footer = {
            "",
            "Prompt i of a file, counted from 0, is sampled with seed + i, so its samples do not depend on the other"
                    + " prompts.",
            "With --json, one line per sample:"
                    + " {\"row\":1,\"sample\":1,\"prompt\":...,\"completion\":...,\"prompt_ids\":[...],"
                    + "\"completion_ids\":[...]}"
        },
        sortOptions = false)
final class GenerateCommand implements Callable<Integer> {
    @Spec
    private CommandSpec command;

    @Mixin
    private final ModelOptions modelOptions = new ModelOptions();

    @Mixin
    private final HubOptions hub = new HubOptions();

    @Mixin
    private final DeviceOptions deviceOptions = new DeviceOptions();

    @Option(names = "--prompt", description = "Text to continue; may be empty if the tokenizer adds a BOS token.")
    private @Nullable String prompt;

    @Option(
            names = "--prompts",
            description = "Instead of --prompt: a file of rows with prompt or prompt_ids, .jsonl, .json or .jsonl.gz, a"
                    + " pipe, or - for standard input.")
    private @Nullable Path prompts;

    @Option(
            names = "--column_map",
            description = "Columns of the file of prompts to rename and to drop: prompt=question,messages=null.")
    private OptionMap columnMap = OptionMap.EMPTY;

    @Mixin
    private final GenerationOptions generation = new GenerationOptions();

    @Option(names = "--num_return_sequences", description = "Samples per prompt; default ${DEFAULT-VALUE}.")
    private int samples = 1;

    @Mixin
    private final SeedOptions seeds = new SeedOptions(42);

    @Option(names = "--json", arity = "0..1", fallbackValue = "true", description = "Print JSON lines, with token ids.")
    private boolean json = false;

    @Override
    public Integer call() {
        Output.require(command, "model_name_or_path", modelOptions.hasDirectory());
        if ((prompt == null) == (prompts == null)) {
            throw new Dpo4jException(
                    prompt == null
                            ? "prompt is missing; give it, or a file of prompts"
                            : "prompt and prompts are both given; leave one out");
        }
        OptionRange.NUM_RETURN_SEQUENCES.check(samples);
        generation.check();
        hub.fetch(modelOptions);
        GenerationDefaults defaults = generation.defaults(Model.baseDirectory(modelOptions.directory()));
        try (Console console = Console.errors();
                Device device = deviceOptions.open(Output::notice);
                Model model = Model.load(
                        modelOptions.directory(), device, modelOptions.storage(device), new LoadingReport(console));
                Generator generator = new Generator(model)) {
            model.packMatrices();
            int vocabulary = model.architecture().vocabSize();
            GenerationOptions.noticeEos(modelOptions.directory(), model.config());
            GenerationOptions.Resolved options =
                    generation.resolve(defaults, vocabulary, GenerationOptions.MAX_NEW_TOKENS);
            try (Tokenizer tokenizer = Tokenizer.find(modelOptions.tokenizerDirectory(), vocabulary)) {
                if (tokenizer == null && !json) {
                    throw new Dpo4jException(modelOptions.directory() + " has no tokenizer.json to write text with; "
                            + Tokenizer.remedy(modelOptions.tokenizerDirectory()) + ", or give --json");
                }
                if (tokenizer == null && !options.stopStrings().isEmpty()) {
                    throw new Dpo4jException(modelOptions.directory()
                            + " has no tokenizer.json to find stop_strings with; add it, or give stop_token_ids");
                }
                print(generator, tokenizer, read(tokenizer, vocabulary), options);
            }
        }
        return 0;
    }

    private List<Prompt> read(@Nullable Tokenizer tokenizer, int vocabulary) {
        if (prompts == null) {
            return List.of(Prompt.of(prompt == null ? "" : prompt, tokenizer));
        }
        RowOptions rows = new RowOptions(
                new ColumnMap(columnMap.values()),
                ChatTemplates.in(modelOptions.tokenizerDirectory()),
                OnPromptMismatch.STOP,
                false);
        Dataset<Prompt> read = Prompt.read(prompts, tokenizer, vocabulary, rows);
        String notUsed = read.report().facts("prompts", "").get("columns not used");
        if (notUsed != null) {
            System.err.println("dpo4j: " + InputFile.name(prompts) + ": columns not used: " + notUsed);
        }
        return read.rows();
    }

    /** Throws if a prompt cannot be continued. Names its row, if there may be several. */
    private void check(Generator generator, Generator.Request request, Generator.Options options, int row) {
        try {
            generator.check(request, options);
        } catch (Dpo4jException e) {
            throw prompts == null
                    ? e
                    : new Dpo4jException(InputFile.name(prompts) + ", row " + row + ": " + e.getMessage(), e);
        }
    }

    private void print(
            Generator generator,
            @Nullable Tokenizer tokenizer,
            List<Prompt> given,
            GenerationOptions.Resolved options) {
        List<Generator.Request> requests = new ArrayList<>();
        for (int i = 0; i < given.size(); i++) {
            requests.add(new Generator.Request(given.get(i).ids(), samples, seeds.seed() + i));
            check(generator, requests.get(i), options.options(), given.get(i).row());
        }
        boolean isStreamed = !json && given.size() == 1 && samples == 1;
        Output.write(null, out -> {
            GenerationWriter writer =
                    new GenerationWriter(out, tokenizer, given, options.stopStrings(), json, isStreamed);
            try {
                generator.generate(requests, options.options(), writer);
            } catch (Dpo4jException e) {
                if (isStreamed) {
                    out.println(); // the error is a line of its own
                    out.flush();
                }
                throw e;
            }
        });
    }
}
