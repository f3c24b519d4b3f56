package org.dpo4j.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.decoder.SampleTokens;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.model.family.Architecture;

/**
 * Generates continuations of prompts, with a key cache. One forward pass computes the next token of all sequences. The
 * cache holds the keys of a prompt once for all of its samples. The random numbers of a token depend on the request's seed, the number of the sample and the number of the
 * token, so a text does not depend on the other requests. {@link #close} does not close the model.
 */
public final class Generator implements AutoCloseable {
    /** The maximum number of sequences generated at once. It limits memory and does not change the generated tokens. */
    private static final int MAX_SEQUENCES = 256;

    /** The maximum number of prompt tokens in one forward pass, to limit memory. A longer prompt runs alone. */
    private static final int MAX_PROMPT_ROWS = 8192;

    /**
     * A prompt to continue.
     *
     * @param prompt token ids, at least one
     * @param samples number of continuations
     * @param seed seed of the samples; sample {@code i} depends only on the seed and {@code i}
     */
    public record Request(int[] prompt, int samples, long seed) {}

    /**
     * How to continue.
     *
     * @param maxNewTokens maximum tokens of a continuation, which also ends at an EOS token, a stop token or the
     *     model's last position
     * @param maxLength maximum tokens of prompt and continuation together
     * @param minNewTokens EOS and stop tokens are not chosen before this number of tokens
     * @param sampling how a token is chosen
     * @param stopTokens tokens that end a continuation, besides EOS
     */
    public record Options(
            int maxNewTokens, int maxLength, int minNewTokens, Sampling sampling, Set<Integer> stopTokens) {
        public Options {
            if (maxNewTokens < 1) {
                throw new Dpo4jException("max_new_tokens is " + maxNewTokens + "; it must be at least 1");
            }
            if (minNewTokens < 0 || minNewTokens > maxNewTokens) {
                throw new Dpo4jException(
                        "min_new_tokens is " + minNewTokens + "; it must be from 0 to max_new_tokens, " + maxNewTokens);
            }
            stopTokens = Set.copyOf(stopTokens);
        }

        /** Of any length with the prompt. */
        public Options(int maxNewTokens, int minNewTokens, Sampling sampling, Set<Integer> stopTokens) {
            this(maxNewTokens, Integer.MAX_VALUE, minNewTokens, sampling, stopTokens);
        }

        /** With temperature alone; 0 is greedy. */
        public Options(int maxNewTokens, double temperature) {
            this(maxNewTokens, 0, new Sampling(temperature), Set.of());
        }
    }

    /** Receives each token when it is generated. Requests and samples are counted from 0. */
    public interface Listener {
        /** A listener that does nothing. */
        Listener NONE = (request, sample, token) -> true;

        /** Receives the next token of a sample. Returns false to end the sample after this token. */
        boolean token(int request, int sample, int token);

        /** All samples of a request have ended. Requests end in any order. */
        default void ended(int request, List<int[]> samples) {}
    }

    /** A request that runs. Its prompt is in the cache from {@code cacheBegin} on. */
    private static final class Prompt {
        final int number;
        final Request request;
        final int cacheBegin;
        /** Maximum tokens of a sample. */
        final int limit;

        final List<Sequence> samples = new ArrayList<>();
        int ended;

        Prompt(int number, Request request, int cacheBegin, int limit) {
            this.number = number;
            this.request = request;
            this.cacheBegin = cacheBegin;
            this.limit = limit;
        }

        int length() {
            return request.prompt.length;
        }

        List<int[]> texts() {
            return samples.stream()
                    .map(sample -> Arrays.copyOf(sample.tokens, sample.count))
                    .toList();
        }
    }

    /** A sample that runs. The keys of its tokens are in the cache from {@code cacheBegin} on. */
    private static final class Sequence {
        final Prompt prompt;
        final int number;
        final int slot;
        final int cacheBegin;
        final int[] tokens;
        int count;
        boolean isEnded;

        Sequence(Prompt prompt, int number, int slot, int cacheBegin) {
            this.prompt = prompt;
            this.number = number;
            this.slot = slot;
            this.cacheBegin = cacheBegin;
            this.tokens = new int[prompt.limit];
        }
    }

    private final Model model;
    private final Architecture architecture;
    private final TokenSampler sampler;
    private final GenerationPass pass;

    public Generator(Model model) {
        this.model = model;
        architecture = model.architecture();
        sampler = new TokenSampler(model.device(), architecture.vocabSize());
        pass = new GenerationPass(model, sampler);
    }

    /** As the other method, without a listener. */
    public List<List<int[]>> generate(List<Request> requests, Options options) {
        return generate(requests, options, Listener.NONE);
    }

    /**
     * Generates the samples of each request, in order: only new tokens, including EOS or a stop token if it was chosen.
     * Waits for the device.
     */
    public List<List<int[]>> generate(List<Request> requests, Options options, Listener listener) {
        requests.forEach(request -> check(request, options));
        Set<Integer> ending = ending(options);
        List<List<int[]>> all = new ArrayList<>();
        for (int begin = 0; begin < requests.size(); ) {
            int end = waveEnd(requests, begin);
            all.addAll(new Wave(options, ending, listener).generate(begin, requests.subList(begin, end)));
            begin = end;
        }
        return all;
    }

    private Set<Integer> ending(Options options) {
        for (int id : options.stopTokens) {
            if (id < 0 || id >= architecture.vocabSize()) {
                throw new Dpo4jException("stop token " + id + " is outside the vocabulary of "
                        + architecture.vocabSize() + "; check that tokenizer and model belong together");
            }
        }
        Set<Integer> ending = new HashSet<>(options.stopTokens);
        model.config().eosTokenIds().stream()
                .filter(id -> id >= 0 && id < architecture.vocabSize())
                .forEach(ending::add);
        if (options.minNewTokens > 0 && ending.size() == architecture.vocabSize()) {
            throw new Dpo4jException("min_new_tokens is " + options.minNewTokens
                    + ", but all tokens of the vocabulary end a text; set it to 0");
        }
        return ending;
    }

    private void check(Request request, Options options) {
        int length = request.prompt.length;
        if (length >= options.maxLength) {
            throw new Dpo4jException("the prompt has " + length + " tokens, but max_length is " + options.maxLength
                    + "; set max_new_tokens");
        }
        if (length == 0 || length >= architecture.maxPositions()) {
            throw new Dpo4jException("the prompt has " + length + " tokens, but must have 1 to "
                    + (architecture.maxPositions() - 1) + " to leave room for a continuation");
        }
        if (request.samples < 1) {
            throw new Dpo4jException("samples is " + request.samples + "; it must be at least 1");
        }
        for (int id : request.prompt) {
            if (id < 0 || id >= architecture.vocabSize()) {
                throw new Dpo4jException("the prompt has token id " + id + ", outside the vocabulary of "
                        + architecture.vocabSize() + "; check that tokenizer and model belong together");
            }
        }
    }

    private static int waveEnd(List<Request> requests, int begin) {
        int end = begin;
        long sequences = 0;
        long rows = 0;
        while (end < requests.size()) {
            sequences += requests.get(end).samples;
            rows += requests.get(end).prompt.length;
            if (end > begin && (sequences > MAX_SEQUENCES || rows > MAX_PROMPT_ROWS)) {
                break;
            }
            end++;
        }
        return end;
    }

    /** Requests that run together. */
    private final class Wave {
        private final Options options;
        private final Set<Integer> ending;
        private final Listener listener;

        Wave(Options options, Set<Integer> ending, Listener listener) {
            this.options = options;
            this.ending = ending;
            this.listener = listener;
        }

        List<List<int[]>> generate(int first, List<Request> requests) {
            List<Prompt> prompts = start(first, requests);
            sampler.begin(
                    options.sampling,
                    options.minNewTokens,
                    ending,
                    requests.stream()
                            .map(request -> new TokenSampler.Slots(request.prompt, request.samples))
                            .toList());
            readPrompts(prompts);
            List<Sequence> running =
                    running(prompts.stream().flatMap(p -> p.samples.stream()).toList());
            while (!running.isEmpty()) {
                step(running);
                running = running(running);
            }
            return prompts.stream().map(Prompt::texts).toList();
        }

        /** Places prompts and samples in the key cache. */
        private List<Prompt> start(int first, List<Request> requests) {
            List<Prompt> prompts = new ArrayList<>();
            int rows = 0;
            long all = 0;
            for (Request request : requests) {
                int length = request.prompt.length;
                int limit = Math.min(
                        options.maxNewTokens, Math.min(architecture.maxPositions(), options.maxLength) - length);
                prompts.add(new Prompt(first + prompts.size(), request, rows, limit));
                rows += request.prompt.length;
                all += request.prompt.length + (long) request.samples * limit;
            }
            if (all > Integer.MAX_VALUE) {
                throw new Dpo4jException("num_return_sequences and max_new_tokens need " + all
                        + " rows of the key cache, more than " + Integer.MAX_VALUE
                        + "; generate fewer samples at a time, each time with another seed");
            }
            int slot = 0;
            for (Prompt prompt : prompts) {
                for (int i = 0; i < prompt.request.samples; i++) {
                    prompt.samples.add(new Sequence(prompt, i, slot++, rows));
                    rows += prompt.limit;
                }
            }
            pass.reserve(rows);
            return prompts;
        }

        /** Runs all prompts in one pass. Each sequence then chooses its first token after the last row of its prompt. */
        private void readPrompts(List<Prompt> prompts) {
            int rows = prompts.stream().mapToInt(Prompt::length).sum();
            int[] ids = new int[rows];
            int[] positions = new int[rows];
            int[] lastRows = new int[prompts.size()];
            int[] samples = new int[prompts.size() + 1];
            List<Segment> segments = new ArrayList<>();
            List<Sequence> sequences = new ArrayList<>();
            for (int p = 0; p < prompts.size(); p++) {
                Prompt prompt = prompts.get(p);
                int begin = prompt.cacheBegin; // prompts have the same rows in the cache as in this pass
                System.arraycopy(prompt.request.prompt, 0, ids, begin, prompt.length());
                for (int i = 0; i < prompt.length(); i++) {
                    positions[begin + i] = i;
                }
                segments.add(Segment.plain(begin, prompt.length(), 0));
                lastRows[p] = begin + prompt.length() - 1;
                sequences.addAll(prompt.samples);
                samples[p + 1] = sequences.size();
            }
            PackedBatch batch = new PackedBatch(ids, positions, segments, lastRows, new int[0], new int[] {0});
            int[] cacheRows = IntStream.range(0, rows).toArray();
            GenerationPass.Rows all =
                    new GenerationPass.Rows(batch, cacheRows, samples, slots(sequences), draws(sequences));
            append(sequences, all, pass.prompts(all));
        }

        /** Chooses the next token of each sequence. */
        private void step(List<Sequence> running) {
            int rows = running.size();
            int[] ids = new int[rows];
            int[] positions = new int[rows];
            int[] cacheRows = new int[rows];
            List<Segment> segments = new ArrayList<>();
            for (int row = 0; row < rows; row++) {
                Sequence sequence = running.get(row);
                Prompt prompt = sequence.prompt;
                int cached = sequence.count - 1;
                ids[row] = sequence.tokens[cached];
                positions[row] = prompt.length() + cached;
                cacheRows[row] = sequence.cacheBegin + cached;
                segments.add(new Segment(row, 1, sequence.cacheBegin, cached, prompt.cacheBegin, prompt.length(), 0));
            }
            int[] lastRows = IntStream.range(0, rows).toArray();
            PackedBatch batch = new PackedBatch(ids, positions, segments, lastRows, new int[0], new int[] {0});
            GenerationPass.Rows all = new GenerationPass.Rows(
                    batch, cacheRows, IntStream.rangeClosed(0, rows).toArray(), slots(running), draws(running));
            append(running, all, pass.step(all));
        }

        private void append(List<Sequence> sequences, GenerationPass.Rows rows, int[] tokens) {
            for (int i = 0; i < tokens.length; i++) {
                Sequence sequence = sequences.get(i);
                if (tokens[i] < 0) {
                    throw notFinite(sequence, rows, i, -1 - tokens[i]);
                }
                append(sequence, tokens[i]);
            }
        }

        private void append(Sequence sequence, int token) {
            Prompt prompt = sequence.prompt;
            sequence.tokens[sequence.count++] = token;
            boolean goesOn = listener.token(prompt.number, sequence.number, token);
            sequence.isEnded = !goesOn || sequence.count == prompt.limit || ending.contains(token);
            if (sequence.isEnded && ++prompt.ended == prompt.samples.size()) {
                listener.ended(prompt.number, prompt.texts());
            }
        }
    }

    private static int[] slots(List<Sequence> sequences) {
        return sequences.stream().mapToInt(sequence -> sequence.slot).toArray();
    }

    private static int[] draws(List<Sequence> sequences) {
        int[] draws = new int[SampleTokens.DRAW_WORDS * sequences.size()];
        int next = 0;
        for (Sequence sequence : sequences) {
            long seed = sequence.prompt.request.seed;
            draws[next++] = (int) seed;
            draws[next++] = (int) (seed >>> 32);
            draws[next++] = sequence.number;
            draws[next++] = sequence.count;
        }
        return draws;
    }

    private Dpo4jException notFinite(Sequence sequence, GenerationPass.Rows rows, int i, int token) {
        int row = Arrays.binarySearch(rows.sequences(), i);
        float logit = pass.logit(rows, row >= 0 ? row : -2 - row, token);
        String where = "prompt " + (sequence.prompt.number + 1) + ", token " + (sequence.count + 1)
                + " after it: the logit of token " + token + " is " + logit;
        return new Dpo4jException(
                Float.isFinite(logit)
                        ? where + ", which overflows when temperature and repetition_penalty are applied; set"
                                + " temperature to a larger value, or to 0"
                        : where + "; " + WeightCheck.explain(model.parameters()));
    }

    private static List<Sequence> running(List<Sequence> sequences) {
        return sequences.stream().filter(sequence -> !sequence.isEnded).toList();
    }

    @Override
    public void close() {
        pass.close();
        sampler.close();
    }
}
