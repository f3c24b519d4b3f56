package org.dpo4j.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.Prompt;
import org.dpo4j.data.Sequence;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.EosTokens;
import org.dpo4j.model.Generator;
import org.dpo4j.model.Model;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.report.GeneratedSample;
import org.dpo4j.report.GeneratedSample.Continuation;
import org.dpo4j.report.Generations;
import org.dpo4j.report.RunListener;
import org.jspecify.annotations.Nullable;

/**
 * Continues prompts of the evaluation rows by the model in training and by the reference. The reference is a second copy of
 * the weights as they are before the first step. Both models compute the log-probs of both texts, so each text has its
 * implicit reward: beta * (log-prob under the policy - log-prob under the reference).
 */
final class EvaluationSamples implements AutoCloseable {
    private final Model policy;
    private final Model reference;
    private final TrainOptions options;
    private final List<Prompt> prompts;
    private final OptionalDouble beta;
    private final @Nullable Tokenizer tokenizer;
    private final RunListener listener;
    /** The reference's texts, the same at each evaluation; empty before the first one. */
    private List<int[]> referenceTexts = List.of();

    /**
     * Copies the weights, which are those before the first step.
     *
     * @param objective has the evaluation rows, and is not changed
     */
    EvaluationSamples(Model policy, Objective objective, TrainOptions options, RunListener listener) {
        this.policy = policy;
        this.options = options;
        this.prompts = objective.evaluationPrompts(options.samples().prompts());
        this.beta = objective.beta();
        this.listener = listener;
        this.tokenizer = Tokenizer.find(
                options.model().tokenizerDirectory(), policy.architecture().vocabSize());
        this.reference = new ReferenceModel(policy, options).copy(listener);
        String noEos = EosTokens.outsideVocabulary(options.model().directory(), policy.config());
        if (noEos != null) {
            listener.notice(noEos);
        }
    }

    /** Upper bound on the device memory of a run's samples: of the copied weights and of passes. Allocates nothing. */
    static long bytes(Objective objective, TrainOptions options) {
        if (!options.samples().generateDuringEval) {
            return 0;
        }
        Model model = objective.model();
        ReferenceModel reference = new ReferenceModel(model, options);
        Generator.Options generation = generator(model, reference.planned(), options);
        List<Prompt> prompts = objective.evaluationPrompts(options.samples().prompts());
        List<Sequence> longest = prompts.stream()
                .map(prompt -> new Sequence(
                        prompt.row(),
                        prompt.ids(),
                        new int[Math.min(generation.maxNewTokens(), generation.maxLength() - prompt.ids().length)]))
                .toList();
        return reference.bytes()
                + Math.max(
                        passes(model, prompts, longest, generation, options),
                        passes(reference.planned(), prompts, longest, generation, options));
    }

    private static long passes(
            Model model,
            List<Prompt> prompts,
            List<Sequence> longest,
            Generator.Options generation,
            TrainOptions options) {
        try (Generator generator = new Generator(model);
                ScoringModel scoring = new ScoringModel(model, CompletionSums.PLAIN)) {
            return Math.max(
                    generator.bytes(requests(prompts, options), generation),
                    scoring.memory(PackedBatch.sequences(longest)).total());
        }
    }

    /** Continuations that both models have positions for. */
    private static Generator.Options generator(Model policy, Model reference, TrainOptions options) {
        return options.samples()
                .generator(Math.min(
                        policy.architecture().maxPositions(),
                        reference.architecture().maxPositions()));
    }

    private static List<Generator.Request> requests(List<Prompt> prompts, TrainOptions options) {
        return IntStream.range(0, prompts.size())
                .mapToObj(i -> new Generator.Request(
                        prompts.get(i).ids(), 1, options.seeds().seed() + i))
                .toList();
    }

    /** Generates samples with the weights of step {@code step}. Waits for the device. */
    Generations generate(int step) {
        if (referenceTexts.isEmpty()) {
            referenceTexts = texts(reference);
        }
        List<int[]> policyTexts = texts(policy);
        double[] policyRewards = rewards(policyTexts);
        double[] referenceRewards = rewards(referenceTexts);
        List<GeneratedSample> samples = new ArrayList<>();
        for (int i = 0; i < prompts.size(); i++) {
            Prompt prompt = prompts.get(i);
            samples.add(new GeneratedSample(
                    prompt.row(),
                    text(prompt.ids()),
                    continuation(prompt, policyTexts.get(i), policyRewards[i]),
                    continuation(prompt, referenceTexts.get(i), referenceRewards[i])));
        }
        return new Generations(step, samples);
    }

    private List<int[]> texts(Model model) {
        try (Generator generator = new Generator(model)) {
            return generator
                    .generate(
                            requests(prompts, options),
                            generator(policy, reference, options),
                            (request, sample, token) -> {
                                Cancellation.check(listener);
                                return true;
                            })
                    .stream()
                    .map(each -> each.get(0))
                    .toList();
        }
    }

    /** The implicit reward of each text; NaN if the loss has no reference. */
    private double[] rewards(List<int[]> texts) {
        if (beta.isEmpty()) {
            double[] none = new double[texts.size()];
            Arrays.fill(none, Double.NaN);
            return none;
        }
        List<Sequence> sequences = IntStream.range(0, texts.size())
                .mapToObj(i -> new Sequence(prompts.get(i).row(), prompts.get(i).ids(), texts.get(i)))
                .toList();
        float[] ofPolicy = logProbs(policy, sequences);
        float[] ofReference = logProbs(reference, sequences);
        return IntStream.range(0, texts.size())
                .mapToDouble(i -> beta.getAsDouble() * ((double) ofPolicy[i] - ofReference[i]))
                .toArray();
    }

    private static float[] logProbs(Model model, List<Sequence> sequences) {
        try (ScoringModel scoring = new ScoringModel(model, CompletionSums.PLAIN)) {
            return model.device()
                    .downloadFloats(
                            scoring.forward(PackedBatch.sequences(sequences)).sums(), sequences.size());
        }
    }

    private Continuation continuation(Prompt prompt, int[] completion, double reward) {
        String text = text(completion);
        if (tokenizer != null) { // some tokenizers decode a token differently at the start of a text
            String given = tokenizer.decode(prompt.ids());
            String whole = tokenizer.decode(IntStream.concat(Arrays.stream(prompt.ids()), Arrays.stream(completion))
                    .toArray());
            text = whole.startsWith(given) ? whole.substring(given.length()) : text;
        }
        return new Continuation(text, Double.isNaN(reward) ? null : reward);
    }

    private String text(int[] ids) {
        return tokenizer == null
                ? IntStream.of(ids).mapToObj(Integer::toString).collect(Collectors.joining(" "))
                : tokenizer.decode(ids);
    }

    @Override
    public void close() {
        reference.close();
        if (tokenizer != null) {
            tokenizer.close();
        }
    }
}
