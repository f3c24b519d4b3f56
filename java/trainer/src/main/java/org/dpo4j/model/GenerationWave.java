package org.dpo4j.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.GenerationPrompt.Sample;

/** Texts that are generated together: one forward pass computes the next token of all of them. */
final class GenerationWave {
    /** The max number of prompt tokens in one forward pass, to limit memory. A longer prompt runs alone. */
    static final int MAX_PROMPT_ROWS = 8192;

    private final Model model;
    private final GenerationPass pass;
    private final TokenSampler sampler;
    private final Task task;
    /** Tokens of the only prompt whose keys are in the cache; 0 if there are several prompts. */
    private final int cached;
    /** The number of the first sample of the only request; 0 if there are several requests. */
    private final int firstSample;

    /**
     * A prompt.
     *
     * @param limit max new tokens of a sample
     */
    record Input(int[] prompt, int samples, long seed, int limit) {}

    /**
     * How to continue all texts.
     *
     * @param ending tokens that end a text
     */
    record Task(Sampling sampling, int minNewTokens, Set<Integer> ending, Receiver receiver) {}

    /** Receives tokens. */
    interface Receiver {
        /** Receives the next token of a sample. Returns false to end the sample after this token. */
        boolean token(int request, int sample, int token);

        /** All samples of a request have ended. */
        void ended(int request, List<int[]> samples);
    }

    GenerationWave(Model model, GenerationPass pass, TokenSampler sampler, Task task, int cached, int firstSample) {
        this.model = model;
        this.pass = pass;
        this.sampler = sampler;
        this.task = task;
        this.cached = cached;
        this.firstSample = firstSample;
    }

    /** The new tokens of each sample of each request. {@code first} is the number of the first request. */
    List<List<int[]>> generate(int first, List<Input> requests) {
        List<GenerationPrompt> prompts = start(first, requests);
        sampler.begin(
                task.sampling,
                task.minNewTokens,
                task.ending,
                requests.stream()
                        .map(request -> new TokenSampler.Slots(request.prompt(), request.samples()))
                        .toList());
        readPrompts(prompts);
        List<Sample> running =
                running(prompts.stream().flatMap(p -> p.samples.stream()).toList());
        List<Sample> all = running;
        while (!running.isEmpty()) {
            step(running, all);
            running = running(running);
        }
        return prompts.stream().map(GenerationPrompt::texts).toList();
    }

    /** Places prompts and samples in the key cache. */
    private List<GenerationPrompt> start(int first, List<Input> requests) {
        List<GenerationPrompt> prompts = new ArrayList<>();
        int rows = 0;
        long all = 0;
        for (Input request : requests) {
            prompts.add(
                    new GenerationPrompt(first + prompts.size(), request.prompt, request.seed, rows, request.limit));
            rows += request.prompt.length;
            all += request.prompt.length + (long) request.samples * request.limit;
        }
        if (all > Integer.MAX_VALUE) {
            throw new Dpo4jException("max_new_tokens needs " + all + " rows of the key cache for "
                    + requests.stream().mapToInt(Input::samples).sum() + " texts, more than "
                    + Integer.MAX_VALUE + "; set it to fewer tokens");
        }
        int slot = 0;
        for (int p = 0; p < prompts.size(); p++) {
            GenerationPrompt prompt = prompts.get(p);
            for (int i = 0; i < requests.get(p).samples(); i++) {
                prompt.samples.add(new Sample(prompt, firstSample + i, slot++, rows));
                rows += prompt.limit;
            }
        }
        pass.reserve(rows, cached);
        return prompts;
    }

    /** Runs all prompts in one pass. Each sample then chooses its first token after the last row of its prompt. */
    private void readPrompts(List<GenerationPrompt> prompts) {
        GenerationRows rows = new GenerationRows(
                prompts.stream().mapToInt(GenerationPrompt::length).sum() - cached);
        for (GenerationPrompt prompt : prompts) {
            rows.addPrompt(prompt, cached, prompt.length());
            rows.choose(prompt.samples);
        }
        append(rows, pass::prompts);
    }

    /**
     * Chooses the next token of each running sample. {@code all}: samples that ran in the first step, some of which have
     * ended.
     */
    private void step(List<Sample> running, List<Sample> all) {
        List<Sample> others =
                running.stream().filter(sample -> !becomesLong(sample)).toList();
        running.stream()
                .filter(this::becomesLong)
                .collect(Collectors.groupingBy(sample -> sample.prompt.number))
                .values()
                .forEach(this::readAgain);
        if (!others.isEmpty()) {
            append(GenerationRows.ofLastTokens(withEnded(others, all)), pass::step);
        }
    }

    /**
     * The samples, and some that have ended, whose last tokens are computed too and ignored. So fewer numbers of rows occur,
     * each of which has a CUDA graph of its own.
     */
    private List<Sample> withEnded(List<Sample> samples, List<Sample> all) {
        if (!pass.hasGraphs() || model.architecture().shortLength() < Integer.MAX_VALUE) {
            return samples;
        }
        int rows = Math.min(Bucket.sequences(samples.size()), all.size());
        return Stream.concat(samples.stream(), all.stream().filter(sample -> sample.isEnded))
                .limit(rows)
                .toList();
    }

    /** Whether the keys in the cache are of a text that was not yet a long sequence, and this one is. */
    private boolean becomesLong(Sample sample) {
        return sample.length() - 1 == model.architecture().shortLength();
    }

    /**
     * Computes the keys of a prompt and of its samples again, with the rotary frequencies of long sequences. Then chooses the next
     * token of each sample. All running samples of a prompt have equally many tokens.
     */
    private void readAgain(List<Sample> samples) {
        Sample first = samples.get(0);
        int count = first.count;
        int max = Math.max(1, MAX_PROMPT_ROWS / count);
        for (int begin = 0; begin < samples.size(); begin += max) {
            List<Sample> group = samples.subList(begin, Math.min(samples.size(), begin + max));
            boolean hasPrompt = begin == 0;
            GenerationRows rows = new GenerationRows((hasPrompt ? first.prompt.length() : 0) + count * group.size());
            if (hasPrompt) {
                rows.addPrompt(first.prompt, 0, first.length());
            }
            for (Sample sample : group) {
                rows.addTokens(sample, 0);
                rows.choose(List.of(sample));
            }
            append(rows, pass::prompts);
        }
    }

    private void append(GenerationRows collected, Function<GenerationPass.Rows, int[]> run) {
        GenerationPass.Rows rows = collected.rows();
        int[] tokens = run.apply(rows);
        for (int i = 0; i < tokens.length; i++) {
            Sample sample = collected.samples().get(i);
            if (sample.isEnded) {
                continue;
            }
            if (tokens[i] < 0) {
                throw notFinite(sample, rows, i, -1 - tokens[i]);
            }
            append(sample, tokens[i]);
        }
    }

    private void append(Sample sample, int token) {
        GenerationPrompt prompt = sample.prompt;
        sample.tokens[sample.count++] = token;
        boolean goesOn = task.receiver.token(prompt.number, sample.number, token);
        sample.isEnded = !goesOn || sample.count == prompt.limit || task.ending.contains(token);
        if (sample.isEnded && ++prompt.ended == prompt.samples.size()) {
            task.receiver.ended(prompt.number, prompt.texts());
        }
    }

    private Dpo4jException notFinite(Sample sample, GenerationPass.Rows rows, int i, int token) {
        int row = Arrays.binarySearch(rows.sequences(), i);
        float logit = pass.logit(rows, row >= 0 ? row : -2 - row, token);
        String where = "prompt " + (sample.prompt.number + 1) + ", token " + (sample.count + 1)
                + " after it: the logit of token " + token + " is " + logit;
        return new Dpo4jException(
                Float.isFinite(logit)
                        ? where + ", which overflows when temperature and repetition_penalty are applied; set"
                                + " temperature to a larger value, or to 0"
                        : where + "; " + model.explainNotFinite());
    }

    private static List<Sample> running(List<Sample> samples) {
        return samples.stream().filter(sample -> !sample.isEnded).toList();
    }
}
