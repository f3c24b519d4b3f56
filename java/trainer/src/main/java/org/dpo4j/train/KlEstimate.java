package org.dpo4j.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.dpo4j.data.Dataset;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.ReadListener;
import org.dpo4j.data.ReadOptions;
import org.dpo4j.data.Sequence;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.data.TruncationMode;
import org.dpo4j.data.UnpairedCompletion;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.FourBit;
import org.dpo4j.model.Generator;
import org.dpo4j.model.Model;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.report.RunListener;

/**
 * The KL divergence of a trained model from its reference before training, in nats per answer, estimated from samples
 * as in section 6.1 of Rafailov et al. 2023: answers are sampled from the trained model at temperature 1, one for each
 * prompt of the evaluation rows, and the estimate is the mean of log-prob - reference log-prob. An answer that
 * reaches the maximum number of tokens is cut there, and the mean is taken over the log-probs of the cut answer.
 *
 * @param mean in nats per answer
 * @param standardError of the mean; NaN for one sample
 * @param samples how many
 */
public record KlEstimate(double mean, double standardError, int samples) {
    private static final int BATCH = 16;

    /**
     * How to sample.
     *
     * @param samples maximum number of prompts, the first different ones of the evaluation rows
     * @param maxNewTokens maximum tokens of an answer
     */
    public record Sampling(int samples, int maxNewTokens) {}

    /**
     * Measures the model in {@code output_dir} of a run that evaluates. The samples depend on its seed only. One model is in
     * memory at a time.
     */
    public static KlEstimate measure(DpoOptions run, Sampling sampling, RunListener listener) {
        return measure(
                run.train(), new Rows<PreferencePair>(Dataset::pairs, PreferencePair::prompt), sampling, listener);
    }

    /** Likewise. */
    public static KlEstimate measure(KtoOptions run, Sampling sampling, RunListener listener) {
        return measure(
                run.train(),
                new Rows<UnpairedCompletion>(Dataset::unpaired, UnpairedCompletion::prompt),
                sampling,
                listener);
    }

    /** Likewise. The prompt of a text without one is its first token. */
    public static KlEstimate measure(SftOptions run, Sampling sampling, RunListener listener) {
        RunRows.Reader<Sequence> reader = (source, read, cache, reading) ->
                Dataset.sequences(source, run.assistantOnlyLoss() ? read.assistantOnly() : read, cache, reading);
        return measure(run.train(), new Rows<Sequence>(reader, Sequence::prompt), sampling, listener);
    }

    private static KlEstimate measure(TrainOptions options, Rows<?> rows, Sampling sampling, RunListener listener) {
        Path trained = options.output().directory();
        Path other = options.reference().directory();
        Path before = other == null ? options.model().directory() : other;
        try (Device device = options.device().open(reason -> {})) {
            List<Sequence> answers = new ArrayList<>();
            float[] policy = use(trained, options, device, listener, model -> {
                answers.addAll(sample(model, prompts(model, options, rows, sampling.samples), options, sampling));
                return logProbs(model, answers);
            });
            float[] reference = use(before, options, device, listener, model -> logProbs(model, answers));
            return mean(policy, reference);
        }
    }

    /** How rows are read, and what their prompts are. */
    private record Rows<T>(RunRows.Reader<T> reader, Function<T, int[]> prompt) {}

    private interface Use<T> {
        T apply(Model model);
    }

    private static <T> T use(Path directory, TrainOptions options, Device device, RunListener listener, Use<T> work) {
        DType storage = options.storage(device);
        FourBit fourBit = options.lora().fourBit(storage);
        try (Model model = Model.load(directory, device, storage, fourBit, new LoadingReport(listener))) {
            return work.apply(model);
        }
    }

    /** The first different prompts that leave room for an answer. */
    private static <T> List<int[]> prompts(Model model, TrainOptions options, Rows<T> rows, int count) {
        int vocabulary = model.architecture().vocabSize();
        int maxLength = options.maxLengthFor(model.architecture());
        Path directory = options.model().tokenizerDirectory();
        Map<List<Integer>, int[]> prompts = new LinkedHashMap<>();
        try (Tokenizer tokenizer = Tokenizer.find(directory, vocabulary)) {
            ReadOptions read = options.data()
                    .readOptions(directory, tokenizer, vocabulary, maxLength, TruncationMode.KEEP_START, null);
            for (RowSource source : options.evalRows(options.rows()).values()) {
                List<T> all = rows.reader
                        .read(source, read, options.data().cache(), ReadListener.NONE)
                        .rows();
                for (int i = 0; i < all.size() && prompts.size() < count; i++) {
                    int[] prompt = rows.prompt.apply(all.get(i));
                    if (prompt.length < model.architecture().maxPositions()) {
                        prompts.putIfAbsent(Arrays.stream(prompt).boxed().toList(), prompt);
                    }
                }
            }
        }
        if (prompts.isEmpty()) {
            throw new Dpo4jException("no prompt of the evaluation rows leaves room for an answer within the model's "
                    + model.architecture().maxPositions() + " positions; set max_prompt_length");
        }
        return List.copyOf(prompts.values());
    }

    private static List<Sequence> sample(Model model, List<int[]> prompts, TrainOptions options, Sampling sampling) {
        List<Generator.Request> requests = new ArrayList<>();
        for (int i = 0; i < prompts.size(); i++) {
            requests.add(
                    new Generator.Request(prompts.get(i), 1, options.seeds().seed() + i));
        }
        List<Sequence> answers = new ArrayList<>();
        try (Generator generator = new Generator(model)) {
            List<List<int[]>> sampled = generator.generate(requests, new Generator.Options(sampling.maxNewTokens, 1));
            for (int i = 0; i < sampled.size(); i++) {
                answers.add(new Sequence(i + 1, prompts.get(i), sampled.get(i).get(0)));
            }
        }
        return answers;
    }

    private static float[] logProbs(Model model, List<Sequence> answers) {
        float[] sums = new float[answers.size()];
        try (ScoringModel frozen = new ScoringModel(model, CompletionSums.PLAIN)) {
            for (int begin = 0; begin < sums.length; begin += BATCH) {
                int end = Math.min(sums.length, begin + BATCH);
                PackedBatch batch = PackedBatch.sequences(answers.subList(begin, end));
                float[] part =
                        model.device().downloadFloats(frozen.forward(batch).sums(), end - begin);
                System.arraycopy(part, 0, sums, begin, part.length);
            }
        }
        return sums;
    }

    private static KlEstimate mean(float[] policy, float[] reference) {
        int count = policy.length;
        double mean = 0;
        for (int i = 0; i < count; i++) {
            mean += ((double) policy[i] - reference[i]) / count;
        }
        double squares = 0;
        for (int i = 0; i < count; i++) {
            double deviation = policy[i] - reference[i] - mean;
            squares += deviation * deviation;
        }
        return new KlEstimate(mean, count == 1 ? Double.NaN : Math.sqrt(squares / (count - 1) / count), count);
    }
}
