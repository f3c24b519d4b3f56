package org.dpo4j.cli;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.dpo4j.data.Dataset;
import org.dpo4j.data.Prompt;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.io.InputFile;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Generator;
import org.dpo4j.model.Model;
import org.dpo4j.train.DeviceOptions;
import org.dpo4j.train.ModelOptions;
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
    private static final JsonMapper JSON = new JsonMapper();

    @Spec
    private CommandSpec command;

    @Mixin
    private final ModelOptions modelOptions = new ModelOptions();

    @Mixin
    private final DeviceOptions deviceOptions = new DeviceOptions();

    @Option(names = "--prompt", description = "Text to continue; may be empty if the tokenizer adds a BOS token.")
    private @Nullable String prompt;

    @Option(
            names = "--prompts",
            description = "Instead of --prompt: a file of rows with prompt or prompt_ids, .jsonl, .json or .jsonl.gz, a"
                    + " pipe, or - for standard input.")
    private @Nullable Path prompts;

    @Option(names = "--max_new_tokens", description = "Maximum tokens of a continuation; default ${DEFAULT-VALUE}.")
    private int maxNewTokens = 128;

    @Option(
            names = "--temperature",
            description = "Divides the logits; 0 picks the token with the maximum logit; default ${DEFAULT-VALUE}.")
    private double temperature = 0;

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
        OptionRange.MAX_NEW_TOKENS.check(maxNewTokens);
        OptionRange.NUM_RETURN_SEQUENCES.check(samples);
        OptionRange.TEMPERATURE.check(temperature);
        Generator.Options options = new Generator.Options(maxNewTokens, temperature);
        try (Device device = deviceOptions.open(Output::notice);
                Model model = Model.load(modelOptions.directory(), device, modelOptions.storage(device));
                Generator generator = new Generator(model)) {
            int vocabulary = model.architecture().vocabSize();
            try (Tokenizer tokenizer = Tokenizer.find(modelOptions.directory(), vocabulary)) {
                if (tokenizer == null && !json) {
                    throw new Dpo4jException(modelOptions.directory()
                            + " has no tokenizer.json to write text with; add it, or give --json");
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
        Dataset<Prompt> read = Prompt.read(prompts, tokenizer, vocabulary);
        String notUsed = read.report().facts("prompts", "").get("columns not used");
        if (notUsed != null) {
            System.err.println("dpo4j: " + InputFile.name(prompts) + ": columns not used: " + notUsed);
        }
        return read.rows();
    }

    private void print(
            Generator generator, @Nullable Tokenizer tokenizer, List<Prompt> given, Generator.Options options) {
        List<Generator.Request> requests = new ArrayList<>();
        for (int i = 0; i < given.size(); i++) {
            requests.add(new Generator.Request(given.get(i).ids(), samples, seeds.seed() + i));
        }
        List<List<int[]>> drawn = generator.generate(requests, options);
        Output.write(null, out -> print(out, tokenizer, given, drawn));
    }

    private void print(PrintStream out, @Nullable Tokenizer tokenizer, List<Prompt> given, List<List<int[]>> drawn) {
        for (int i = 0; i < given.size(); i++) {
            for (int sample = 0; sample < samples; sample++) {
                int[] completion = drawn.get(i).get(sample);
                out.println(
                        json
                                ? line(given.get(i), sample + 1, completion, tokenizer)
                                : text(given.get(i), completion, tokenizer));
            }
        }
    }

    /**
     * Decodes prompt and completion together, because some tokenizers decode a token differently at the start of a
     * text.
     */
    private static String text(Prompt prompt, int[] completion, @Nullable Tokenizer tokenizer) {
        if (tokenizer == null) {
            return "";
        }
        return tokenizer.decode(IntStream.concat(Arrays.stream(prompt.ids()), Arrays.stream(completion))
                .toArray());
    }

    private static ObjectNode line(Prompt prompt, int sample, int[] completion, @Nullable Tokenizer tokenizer) {
        ObjectNode line = JSON.createObjectNode().put("row", prompt.row()).put("sample", sample);
        if (tokenizer != null) {
            String given = tokenizer.decode(prompt.ids());
            String whole = text(prompt, completion, tokenizer);
            line.put("prompt", given);
            line.put(
                    "completion",
                    whole.startsWith(given) ? whole.substring(given.length()) : tokenizer.decode(completion));
        }
        Arrays.stream(prompt.ids()).forEach(line.putArray("prompt_ids")::add);
        Arrays.stream(completion).forEach(line.putArray("completion_ids")::add);
        return line;
    }
}
