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
 * A model learns to write reviews, writes some, is told which of two is the better one, and writes better ones. The
 * same seed and size make the same files on the same machine.
 */
public final class SentimentExperiment {
    /** Longest review: four sentences of at most 20 words, with room. */
    private static final int POSITIONS = 128;

    private static final int HEAD_WIDTH = 32;

    /** About 1 / sqrt(hidden): from transformers' 0.02, so narrow a model sees too late that words share a tone. */
    private static final double INITIALIZER_RANGE = 0.08;

    /** Why a run is on the cpu stands at the head of each training. */
    private static final Consumer<String> SAID_IN_THE_HEADER = reason -> {};

    private final ExperimentFiles files;
    private final Commands commands;
    private final String device;
    private final long seed;
    private final Size size;
    private final RunListener listener;

    /** Everything is written under {@code directory}; what an earlier experiment left there is replaced. */
    public SentimentExperiment(Path directory, String device, long seed, Size size, RunListener listener) {
        this.files = new ExperimentFiles(directory);
        this.commands = new Commands(files, device, seed, size);
        this.device = device;
        this.seed = seed;
        this.size = size;
        this.listener = listener;
    }

    /** Runs all of it. */
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
        try (Device opened = Devices.open(device, SAID_IN_THE_HEADER);
                Model model = Model.create(config, opened, DType.F32, seed)) {
            model.save(files.untrained(), DType.F32);
        }
        WordTokenizer.write(files.untrained(), words, POSITIONS);
    }

    /** Prompts that differ from each other and from {@code others}. */
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

    /** Neighbouring samples of a prompt, the better one first; without those that are as good, or unfinished. */
    private static List<Pair> pairs(List<List<Sample>> samples) {
        List<Pair> pairs = new ArrayList<>();
        for (List<Sample> ofPrompt : samples) {
            for (int i = 0; i + 1 < ofPrompt.size(); i += 2) {
                Sample one = ofPrompt.get(i);
                Sample other = ofPrompt.get(i + 1);
                if (one.finished() && other.finished() && one.sentiment() != other.sentiment()) {
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
        double kl = 0;
        for (int i = 0; i < after.size(); i++) {
            kl += policy[2 * i] - reference[2 * i];
        }
        return new Comparison(before, after, kl / after.size());
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
        try (Device opened = Devices.open(device, SAID_IN_THE_HEADER);
                Model model = Model.load(directory, opened, DType.F32);
                Tokenizer tokenizer =
                        Tokenizer.load(directory, model.architecture().vocabSize())) {
            return work.apply(model, tokenizer);
        }
    }
}
