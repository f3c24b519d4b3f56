package org.dpo4j.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.family.Architecture;

/**
 * Generates continuations of prompts, with a key cache. One forward pass computes the next token of all sequences. The
 * cache holds the keys of a prompt once for all of its samples. The random numbers of a token depend on the request's
 * seed, the number of the sample and the number of the token, so a text does not depend on the other requests. {@link
 * #close} does not close the model.
 *
 * <p>With longrope, the rotary frequencies change when a text becomes longer than {@link Architecture#shortLength}. The
 * keys of all its tokens are then computed again, once, as transformers does. So each token is chosen from the logits of
 * a forward pass over the whole text before it.
 */
public final class Generator implements AutoCloseable {
    /** The maximum number of sequences generated at once. It limits memory and does not change the generated tokens. */
    private static final int MAX_SEQUENCES = 256;

    private static final int[] NOTHING = {};

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
    public interface Listener extends GenerationWave.Receiver {
        /** A listener that does nothing. */
        Listener NONE = (request, sample, token) -> true;

        /** Receives the next token of a sample. Returns false to end the sample after this token. */
        @Override
        boolean token(int request, int sample, int token);

        /** All samples of a request have ended. Requests end in any order. */
        @Override
        default void ended(int request, List<int[]> samples) {}
    }

    private final Model model;
    private final Architecture architecture;
    private final int shortLength;
    private final TokenSampler sampler;
    private final GenerationPass pass;
    /** The text whose keys are in the first rows of the cache. */
    private int[] cachedText = NOTHING;

    public Generator(Model model) {
        this.model = model;
        architecture = model.architecture();
        shortLength = architecture.shortLength();
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
        cachedText = NOTHING;
        requests.forEach(request -> check(request, options));
        List<List<int[]>> all = new ArrayList<>();
        for (int begin = 0; begin < requests.size(); ) {
            int end = waveEnd(requests, begin);
            if (requests.get(begin).samples > MAX_SEQUENCES) {
                all.add(inParts(begin, requests.get(begin), options, listener));
            } else {
                all.addAll(generate(begin, requests.subList(begin, end), new Wave(options, listener, 0, 0)));
            }
            begin = end;
        }
        return all;
    }

    /** Generates {@link #MAX_SEQUENCES} samples of a request at once, until it has all. */
    private List<int[]> inParts(int number, Request request, Options options, Listener listener) {
        List<int[]> texts = new ArrayList<>();
        for (int first = 0; first < request.samples; first += MAX_SEQUENCES) {
            Request part = new Request(request.prompt, Math.min(MAX_SEQUENCES, request.samples - first), request.seed);
            texts.addAll(generate(number, List.of(part), new Wave(options, listener::token, 0, first))
                    .get(0));
        }
        listener.ended(number, texts);
        return texts;
    }

    /**
     * Generates the tokens that {@link #generate} does for one sample, on cuda up to the rounding of decode steps, and keeps the
     * keys of the text. If the prompt of the next
     * call begins with the same tokens, it computes only the rows behind them: so a turn of a conversation costs what is new
     * in it. The model's weights must not change between two such calls. With longrope all rows are computed.
     *
     * @param request a prompt with one sample
     */
    public int[] generateTurn(Request request, Options options, Listener listener) {
        if (request.samples != 1) {
            throw new Dpo4jException("samples is " + request.samples + "; a turn has one");
        }
        check(request, options);
        int[] prompt = request.prompt;
        int same = Arrays.mismatch(prompt, cachedText);
        int cached = Math.min(same < 0 ? prompt.length : same, prompt.length - 1); // the last row gives logits
        cachedText = NOTHING;
        int[] answer = generate(0, List.of(request), new Wave(options, listener, cached, 0))
                .get(0)
                .get(0);
        if (shortLength == Integer.MAX_VALUE) {
            // the key of the last token would be computed by the next step
            cachedText = Arrays.copyOf(prompt, prompt.length + answer.length - 1);
            System.arraycopy(answer, 0, cachedText, prompt.length, answer.length - 1);
        }
        return answer;
    }

    /**
     * Upper bound on the device memory of generation, which {@link #close} frees, without weights. Allocates nothing. It
     * holds for sampling without a repetition penalty and without a minimum of new tokens.
     */
    public long bytes(List<Request> requests, Options options) {
        long max = 0;
        for (int begin = 0; begin < requests.size(); ) {
            int end = waveEnd(requests, begin);
            int rows = 0;
            int sequences = 0;
            long cached = 0;
            int longest = 0;
            for (Request request : requests.subList(begin, end)) {
                int limit = limit(request, options);
                int samples = Math.min(request.samples, MAX_SEQUENCES);
                rows += request.prompt.length;
                sequences += samples;
                cached += request.prompt.length + (long) samples * limit;
                longest = Math.max(longest, request.prompt.length + limit);
            }
            max = Math.max(max, pass.bytes(rows, sequences, cached, longest));
            begin = end;
        }
        return max;
    }

    /** Generates requests that run together. */
    private List<List<int[]>> generate(int number, List<Request> requests, Wave wave) {
        Options options = wave.options;
        GenerationWave.Task task =
                new GenerationWave.Task(options.sampling, options.minNewTokens, ending(options), wave.listener);
        List<GenerationWave.Input> inputs = requests.stream()
                .map(each -> new GenerationWave.Input(each.prompt, each.samples, each.seed, limit(each, options)))
                .toList();
        return new GenerationWave(model, pass, sampler, task, wave.cached, wave.firstSample).generate(number, inputs);
    }

    /** What requests that run together share; the last two as in {@link GenerationWave}. */
    private record Wave(Options options, Listener listener, int cached, int firstSample) {}

    /** Max tokens of a continuation. */
    private int limit(Request request, Options options) {
        return Math.min(
                options.maxNewTokens, Math.min(architecture.maxPositions(), options.maxLength) - request.prompt.length);
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

    /** Throws if a request cannot be generated with these options, as {@link #generate} does. */
    public void check(Request request, Options options) {
        int length = request.prompt.length;
        if (length >= options.maxLength) {
            throw new Dpo4jException("the prompt has " + length + " tokens, but max_length is " + options.maxLength
                    + "; set max_new_tokens, which replaces max_length of generation_config.json");
        }
        if (length == 0 || length >= architecture.maxPositions()) {
            throw new Dpo4jException("the prompt has " + length + " tokens, but must have 1 to "
                    + (architecture.maxPositions() - 1)
                    + (length == 0 ? "" : " to leave room for a continuation; shorten it"));
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
            if (end > begin && (sequences > MAX_SEQUENCES || rows > GenerationWave.MAX_PROMPT_ROWS)) {
                break;
            }
            end++;
        }
        return end;
    }

    @Override
    public void close() {
        pass.close();
        sampler.close();
    }
}
