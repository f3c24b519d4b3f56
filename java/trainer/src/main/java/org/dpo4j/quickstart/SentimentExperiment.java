package org.dpo4j.quickstart;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.Model;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.report.RunListener;
import org.dpo4j.train.DpoOptions;
import org.dpo4j.train.DpoTrainer;
import org.dpo4j.train.ReferenceLogProbs;
import org.dpo4j.train.SftOptions;
import org.dpo4j.train.SftTrainer;
import picocli.CommandLine;

/**
 * Trains a model to write reviews, samples pairs of reviews from it, trains it by DPO to prefer the better of each
 * pair, and compares samples before and after. The same seed and size give the same files on the same machine.
 */
public final class SentimentExperiment {
    /** Positions of the model. The longest review has four sentences of at most 20 words. */
    private static final int POSITIONS = 128;

    private static final int HEAD_WIDTH = 32;

    /** About 1 / sqrt(hidden). With transformers' 0.02, such a narrow model learns the tone of a review too slowly. */
    private static final double INITIALIZER_RANGE = 0.08;

    /** Ignores why {@code auto} selects the cpu, because the header of each training says it. */
    private static final Consumer<String> IGNORED = reason -> {};

    private final ExperimentFiles files;
    private final Commands commands;
    private final String device;
    private final long seed;
    private final Size size;
    private final RunListener listener;

    /** Writes all files under {@code directory} and replaces those of an earlier experiment. */
    public SentimentExperiment(Path directory, String device, long seed, Size size, RunListener listener) {
        this.files = new ExperimentFiles(directory);
        this.commands = new Commands(files, device, seed, size);
        this.device = device;
        this.seed = seed;
        this.size = size;
        this.listener = listener;
    }

    /** Runs all steps. */
    public Comparison run() {
        files.prepare();
        Reviews reviews = new Reviews(seed);
        files.writeCorpus(Stream.generate(reviews::next).limit(size.reviews()).toList());
        create();
        SftTrainer.train(parse(SftOptions.builder(), commands.sft()).build(), listener);
        Set<String> prompts = prompts(reviews, size.prompts(), Set.of());
        files.writePairs(pairs(draw(files.sft(), prompts, size.samples())));
        DpoTrainer.train(parse(DpoOptions.builder(), commands.dpo()).build(), listener);
        Comparison comparison = compare(prompts(reviews, size.heldOut(), prompts));
        files.writeSamples(comparison);
        files.writeReport(comparison);
        files.write(files.readme(), ExperimentReadme.text(files, commands, comparison));
        return comparison;
    }

    private static <T> T parse(T options, List<String> arguments) {
        return CommandLine.populateCommand(options, arguments.toArray(String[]::new));
    }

    private void create() {
        List<String> words = Reviews.vocabulary();
        int heads = size.hidden() / HEAD_WIDTH;
        ModelConfig config = Llama.config(
                        WordTokenizer.size(words),
                        size.hidden(),
                        3 * size.hidden(),
                        size.layers(),
                        heads,
                        heads,
                        POSITIONS,
                        true)
                .withInitializerRange(INITIALIZER_RANGE)
                .withTokens(null, List.of(WordTokenizer.END_ID));
        try (Device opened = Devices.open(device, IGNORED);
                Model model = Model.create(config, opened, DType.F32, seed)) {
            model.save(files.untrained(), DType.F32);
        }
        WordTokenizer.write(files.untrained(), words, POSITIONS);
    }

    /** {@code count} prompts that differ from each other and from {@code others}. */
    private static Set<String> prompts(Reviews reviews, int count, Set<String> others) {
        Set<String> prompts = new LinkedHashSet<>();
        while (prompts.size() < count) {
            String prompt = reviews.nextPrompt();
            if (!others.contains(prompt)) {
                prompts.add(prompt);
            }
        }
        return prompts;
    }

    private List<List<Sample>> draw(Path directory, Set<String> prompts, int each) {
        return use(directory, (model, tokenizer) -> Sample.draw(model, tokenizer, List.copyOf(prompts), each, seed));
    }

    /**
     * Pairs of neighbouring samples of a prompt. Pairs of equal sentiment or with an unfinished sample are left out.
     */
    private static List<Pair> pairs(List<List<Sample>> samples) {
        List<Pair> pairs = new ArrayList<>();
        for (List<Sample> prompt : samples) {
            for (int i = 0; i + 1 < prompt.size(); i += 2) {
                Sample one = prompt.get(i);
                Sample other = prompt.get(i + 1);
                if (one.isFinished() && other.isFinished() && one.sentiment() != other.sentiment()) {
                    pairs.add(one.sentiment() > other.sentiment() ? new Pair(one, other) : new Pair(other, one));
                }
            }
        }
        return pairs;
    }

    private Comparison compare(Set<String> prompts) {
        List<Sample> before =
                draw(files.sft(), prompts, 1).stream().flatMap(List::stream).toList();
        List<Sample> after =
                draw(files.dpo(), prompts, 1).stream().flatMap(List::stream).toList();
        List<PreferencePair> sequences = new ArrayList<>();
        for (int i = 0; i < before.size(); i++) {
            int[] prompt = after.get(i).promptIds();
            sequences.add(new PreferencePair(
                    i + 1, prompt, after.get(i).completionIds(), before.get(i).completionIds()));
        }
        float[] reference = logProbs(files.sft(), sequences);
        float[] policy = logProbs(files.dpo(), sequences);
        double[] logRatios = new double[policy.length];
        double kl = 0;
        for (int i = 0; i < policy.length; i++) {
            logRatios[i] = policy[i] - reference[i];
            kl += i % 2 == 0 ? logRatios[i] : 0;
        }
        return new Comparison(before, after, logRatios, kl / after.size());
    }

    private float[] logProbs(Path directory, List<PreferencePair> sequences) {
        return use(directory, (model, tokenizer) -> {
            try (ScoringModel frozen = new ScoringModel(model, CompletionSums.PLAIN)) {
                return ReferenceLogProbs.compute(frozen, sequences, 16, listener)
                        .sums();
            }
        });
    }

    private <T> T use(Path directory, BiFunction<Model, Tokenizer, T> work) {
        try (Device opened = Devices.open(device, IGNORED);
                Model model = Model.load(directory, opened, DType.F32);
                Tokenizer tokenizer =
                        Tokenizer.load(directory, model.architecture().vocabSize())) {
            return work.apply(model, tokenizer);
        }
    }
}
