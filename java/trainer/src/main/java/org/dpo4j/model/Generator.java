package org.dpo4j.model;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.kernels.head.HeadPlan.Use;
import org.dpo4j.model.family.Architecture;

/**
 * Samples continuations of prompts with a key cache. Many sequences run at once, and samples of one prompt share the
 * prompt's part of the cache. Every sequence has its own random generator, so its tokens do not depend on the other
 * requests. Does not close the model.
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
     * @param maxNewTokens maximum tokens of a continuation, which also ends at an EOS token or the model's last
     *     position
     * @param temperature divides the logits; 0 picks the maximum logit, and the lowest id among equal ones
     */
    public record Options(int maxNewTokens, double temperature) {
        public Options {
            if (maxNewTokens < 1) {
                throw new Dpo4jException("max_new_tokens is " + maxNewTokens + "; it must be at least 1");
            }
            if (!(temperature >= 0) || Double.isInfinite(temperature)) {
                throw new Dpo4jException("temperature is " + temperature + "; it must be 0 (greedy) or positive");
            }
        }
    }

    /**
     * A request that runs.
     *
     * @param number of the request, counted from 1
     * @param cacheBegin first row of the prompt in the cache
     * @param limit maximum tokens of a sample
     */
    private record Prompt(int number, Request request, int cacheBegin, int limit) {
        int length() {
            return request.prompt.length;
        }
    }

    /** A sample that runs. The keys of its tokens are in the cache from {@code cacheBegin} on. */
    private static final class Sequence {
        final Prompt prompt;
        final int cacheBegin;
        final SplittableRandom random;
        final int[] tokens;
        int count;
        boolean isEnded;

        Sequence(Prompt prompt, int cacheBegin, SplittableRandom random) {
            this.prompt = prompt;
            this.cacheBegin = cacheBegin;
            this.random = random;
            this.tokens = new int[prompt.limit];
        }
    }

    /** The arrays of a pass on the device. Tokens are sampled from the logits of {@code lastRows}. */
    private record Inputs(Pass pass, long lastRows) {
        static Inputs place(Layout layout, Bucket bucket, PackedBatch rows) {
            Pass pass = Pass.place(layout, bucket, rows.positionsEnd()).withCacheRows(layout.words(bucket.rows()));
            return new Inputs(pass, layout.words(rows.hiddenRows().length));
        }
    }

    private final Model model;
    private final Device device;
    private final Architecture architecture;
    private final Decoder decoder;
    private final CompletionHead head;
    private final Indices indices;
    private final Arena decoderArena;
    private final Arena headArena;
    private final KeyCache cache;
    private ByteBuffer logits = ByteBuffer.allocateDirect(0);

    public Generator(Model model) {
        this.model = model;
        device = model.device();
        architecture = model.architecture();
        decoder = new Decoder(model);
        head = new CompletionHead(model, Use.FORWARD, false, CompletionHead.SCORING_LOGITS_BYTES);
        indices = new Indices(device);
        decoderArena = new Arena(device);
        headArena = new Arena(device);
        Parameters parameters = model.parameters();
        cache = new KeyCache(
                device, architecture.layerCount(), parameters.layout().sizes(), parameters.dtype());
    }

    /**
     * Generates the samples of each request, in order: only new tokens, including EOS if it was sampled. Waits for the
     * device.
     */
    public List<List<int[]>> generate(List<Request> requests, Options options) {
        requests.forEach(this::check);
        TokenSampler sampler =
                new TokenSampler(options.temperature / architecture.scales().logits(), architecture.vocabSize());
        List<List<int[]>> all = new ArrayList<>();
        for (int begin = 0; begin < requests.size(); ) {
            int end = waveEnd(requests, begin);
            all.addAll(generateWave(begin, requests.subList(begin, end), options.maxNewTokens, sampler));
            begin = end;
        }
        return all;
    }

    private void check(Request request) {
        int length = request.prompt.length;
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

    private List<List<int[]>> generateWave(int first, List<Request> requests, int maxNewTokens, TokenSampler sampler) {
        List<Prompt> prompts = new ArrayList<>();
        int rows = 0;
        long all = 0;
        for (Request request : requests) {
            int room = architecture.maxPositions() - request.prompt.length;
            int limit = Math.min(maxNewTokens, room);
            prompts.add(new Prompt(first + prompts.size() + 1, request, rows, limit));
            rows += request.prompt.length;
            all += request.prompt.length + (long) request.samples * limit;
        }
        if (all > Integer.MAX_VALUE) {
            throw new Dpo4jException("num_return_sequences and max_new_tokens need " + all
                    + " rows of the key cache, more than " + Integer.MAX_VALUE
                    + "; generate fewer samples at a time, each time with another seed");
        }
        List<Sequence> sequences = new ArrayList<>();
        for (Prompt prompt : prompts) {
            SplittableRandom root = new SplittableRandom(prompt.request.seed);
            for (int i = 0; i < prompt.request.samples; i++) {
                sequences.add(new Sequence(prompt, rows, root.split()));
                rows += prompt.limit;
            }
        }
        cache.reserve(rows);
        readPrompts(prompts, sequences, sampler);
        List<Sequence> running = running(sequences);
        while (!running.isEmpty()) {
            step(running, sampler);
            running = running(running);
        }
        return results(requests, sequences);
    }

    /** Runs all prompts in one pass. Each sequence then samples its first token from the last row of its prompt. */
    private void readPrompts(List<Prompt> prompts, List<Sequence> sequences, TokenSampler sampler) {
        int rows = prompts.stream().mapToInt(Prompt::length).sum();
        int[] ids = new int[rows];
        int[] positions = new int[rows];
        int[] cacheRows = new int[rows];
        int[] lastRows = new int[prompts.size()];
        Arrays.setAll(cacheRows, row -> row);
        List<Segment> segments = new ArrayList<>();
        for (int p = 0; p < prompts.size(); p++) {
            Prompt prompt = prompts.get(p);
            int begin = prompt.cacheBegin; // prompts have the same rows in the cache as in this pass
            System.arraycopy(prompt.request.prompt, 0, ids, begin, prompt.length());
            for (int i = 0; i < prompt.length(); i++) {
                positions[begin + i] = i;
            }
            segments.add(Segment.plain(begin, prompt.length(), 0));
            lastRows[p] = begin + prompt.length() - 1;
        }
        List<List<Sequence>> sampling = new ArrayList<>();
        int next = 0;
        for (Prompt prompt : prompts) {
            sampling.add(sequences.subList(next, next + prompt.request.samples));
            next += prompt.request.samples;
        }
        run(ids, positions, cacheRows, segments, lastRows, sampling, sampler);
    }

    /** Samples the next token of each sequence. */
    private void step(List<Sequence> running, TokenSampler sampler) {
        int rows = running.size();
        int[] ids = new int[rows];
        int[] positions = new int[rows];
        int[] cacheRows = new int[rows];
        int[] lastRows = new int[rows];
        List<Segment> segments = new ArrayList<>();
        List<List<Sequence>> sampling = new ArrayList<>();
        for (int row = 0; row < rows; row++) {
            Sequence sequence = running.get(row);
            Prompt prompt = sequence.prompt;
            int cached = sequence.count - 1;
            ids[row] = sequence.tokens[cached];
            positions[row] = prompt.length() + cached;
            cacheRows[row] = sequence.cacheBegin + cached;
            lastRows[row] = row;
            segments.add(new Segment(row, 1, sequence.cacheBegin, cached, prompt.cacheBegin, prompt.length(), 0));
            sampling.add(List.of(sequence));
        }
        run(ids, positions, cacheRows, segments, lastRows, sampling, sampler);
    }

    /**
     * Runs rows through the model. The sequences of {@code sampling[i]} then sample a token from the logits of row
     * {@code lastRows[i]}.
     */
    private void run(
            int[] ids,
            int[] positions,
            int[] cacheRows,
            List<Segment> segments,
            int[] lastRows,
            List<List<Sequence>> sampling,
            TokenSampler sampler) {
        PackedBatch rows = new PackedBatch(ids, positions, segments, lastRows, new int[0], new int[] {0});
        Inputs inputs = upload(rows, cacheRows);
        decoder.rotary().reserve(inputs.pass.positionsEnd());
        Decoder.Activations activations = decoderArena.layout(layout -> decoder.placeShared(layout, ids.length));
        CompletionHead.Activations last = headArena.layout(layout -> head.placeActivations(layout, lastRows.length));
        decoder.forward(inputs.pass, activations, cache);
        head.normalise(last, activations.out(), inputs.lastRows);
        for (int begin = 0; begin < lastRows.length; begin += last.chunkRows()) {
            int count = Math.min(last.chunkRows(), lastRows.length - begin);
            FloatBuffer values = download(head.logits(last, begin, count), count * last.logitsStride());
            for (int row = 0; row < count; row++) {
                for (Sequence sequence : sampling.get(begin + row)) {
                    append(sequence, draw(sampler, values, row * last.logitsStride(), sequence));
                }
            }
        }
    }

    private Inputs upload(PackedBatch rows, int[] cacheRows) {
        Bucket bucket = Bucket.exact(rows);
        Inputs inputs = indices.layout(layout -> Inputs.place(layout, bucket, rows));
        inputs.pass.put(indices, rows, bucket);
        indices.put(inputs.pass.cacheRows(), cacheRows);
        indices.put(inputs.lastRows, rows.hiddenRows());
        indices.upload();
        return inputs;
    }

    private int draw(TokenSampler sampler, FloatBuffer values, int begin, Sequence sequence) {
        try {
            return sampler.draw(values, begin, sequence.random);
        } catch (Dpo4jException e) {
            throw new Dpo4jException(
                    "prompt " + sequence.prompt.number + ", token " + (sequence.count + 1) + " after it: "
                            + e.getMessage() + "; " + WeightCheck.explain(model.parameters()),
                    e);
        }
    }

    private FloatBuffer download(long address, int count) {
        int bytes = Math.multiplyExact(count, Float.BYTES);
        if (logits.capacity() < bytes) {
            logits = ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
        }
        device.download(logits.clear().limit(bytes), address);
        return logits.flip().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
    }

    private void append(Sequence sequence, int token) {
        sequence.tokens[sequence.count++] = token;
        sequence.isEnded = sequence.count == sequence.prompt.limit
                || model.config().eosTokenIds().contains(token);
    }

    private static List<Sequence> running(List<Sequence> sequences) {
        return sequences.stream().filter(sequence -> !sequence.isEnded).toList();
    }

    private static List<List<int[]>> results(List<Request> requests, List<Sequence> sequences) {
        List<List<int[]>> results = new ArrayList<>();
        int next = 0;
        for (Request request : requests) {
            List<int[]> samples = new ArrayList<>();
            for (int i = 0; i < request.samples; i++) {
                Sequence sequence = sequences.get(next++);
                samples.add(Arrays.copyOf(sequence.tokens, sequence.count));
            }
            results.add(samples);
        }
        return results;
    }

    @Override
    public void close() {
        decoder.close();
        indices.close();
        decoderArena.close();
        headArena.close();
        cache.close();
    }
}
