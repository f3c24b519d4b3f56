package org.dpo4j.model;

import java.util.List;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Attention;
import org.dpo4j.kernels.decoder.Rope;
import org.dpo4j.kernels.decoder.SampleTokens;
import org.dpo4j.model.Pass.KeyRanges;

/**
 * Runs rows through decoder and head and chooses tokens. Only the tokens are copied to the host. A step that has the
 * same sizes as an earlier one is one CUDA graph, on a device that has them.
 */
final class GenerationPass implements AutoCloseable {
    private final Model model;
    private final Device device;
    private final Decoder decoder;
    private final CompletionHead head;
    private final TokenSampler sampler;
    private final int vocabulary;
    private final Indices indices;
    private final Arena decoderArena;
    private final Arena headArena;
    private final Arena rangesArena;
    private final PaddedSizes sizes;
    /** Whether attention splits the keys of a step, which the cpu does not. */
    private final boolean splitsKeys;

    private final KeyCache cache;
    private final Graphs graphs;

    /**
     * The input of a forward pass. Each row of {@code hiddenRows} gives logits, from which one or more sequences choose
     * their next token.
     *
     * @param batch tokens are chosen from the logits of its {@code hiddenRows}
     * @param cacheRows the row of the cache of each row
     * @param sequences the sequences of {@code hiddenRows[i]} are {@code sequences[i]} to {@code sequences[i + 1] - 1}
     * @param slots the slot of each sequence in the sampler
     * @param draws {@link SampleTokens#DRAW_WORDS} for each sequence
     */
    record Rows(PackedBatch batch, int[] cacheRows, int[] sequences, int[] slots, int[] draws) {}

    /** The arrays of a pass on the device. */
    private record Inputs(Pass pass, long lastRows, long logitsRows, long slots, long draws) {
        /** At least the memory of a pass with at most these rows and sequences. */
        static Inputs place(Layout layout, int rows, int sequences) {
            Bucket bucket = new Bucket(rows, sequences, rows);
            Pass pass = Pass.place(layout, bucket).withCache(layout.words(rows), KeyRanges.NONE);
            return new Inputs(
                    pass,
                    layout.words(sequences),
                    layout.words(sequences),
                    layout.words(sequences),
                    layout.words((long) SampleTokens.DRAW_WORDS * sequences));
        }

        static Inputs place(Layout layout, Bucket bucket, Rows rows, KeyRanges ranges) {
            Pass pass = Pass.place(layout, bucket).withCache(layout.words(bucket.rows()), ranges);
            return new Inputs(
                    pass,
                    layout.words(rows.batch.hiddenRows().length),
                    layout.words(rows.slots.length),
                    layout.words(rows.slots.length),
                    layout.words(rows.draws.length));
        }
    }

    private record Results(CompletionHead.Activations head, long tokens) {}

    /** Every size and address that the launches of a step use, besides those of the weights. */
    private record Key(
            Inputs inputs,
            int sequences,
            Results results,
            long out,
            KeyCache.At cache,
            List<Rope.Table> rotary,
            TokenSampler.State sampler) {}

    GenerationPass(Model model, TokenSampler sampler) {
        this.model = model;
        device = model.device();
        decoder = new Decoder(model);
        head = CompletionHead.ofLogits(model);
        this.sampler = sampler;
        vocabulary = model.architecture().vocabSize();
        indices = new Indices(device);
        decoderArena = new Arena(device);
        headArena = new Arena(device);
        rangesArena = new Arena(device);
        splitsKeys = device.name().equals("cuda");
        Weights weights = model.weights();
        sizes = weights.layout().sizes();
        cache = new KeyCache(device, model.architecture().layerCount(), sizes, weights.dtype());
        graphs = new Graphs(device, device.supportsGraphs());
    }

    /** Makes room for {@code cacheRows} rows in the key cache. It keeps the content of the first {@code kept} of them. */
    void reserve(long cacheRows, long kept) {
        cache.reserve(cacheRows, kept);
    }

    /**
     * Upper bound on the device memory of passes, without weights. Allocates nothing.
     *
     * @param promptRows tokens of all prompts
     * @param sequences number of sequences
     * @param cacheRows tokens of all prompts and continuations
     * @param longest max tokens of a prompt and one continuation
     */
    long bytes(int promptRows, int sequences, long cacheRows, int longest) {
        int rows = Math.max(promptRows, sequences);
        return cache.bytes(cacheRows)
                + Layout.bytes(layout -> decoder.placeShared(layout, rows))
                + Layout.bytes(layout -> new Results(head.placeActivations(layout, sequences), layout.words(sequences)))
                + Layout.bytes(layout -> layout.allocate(rangesBytes(sequences, maxKeys(longest))))
                + decoder.rotary().bytes(longest)
                + Indices.bytes(layout -> Inputs.place(layout, rows, sequences));
    }

    /** Whether the launches of a step are a graph once its sizes have occurred twice. */
    boolean hasGraphs() {
        return device.supportsGraphs();
    }

    /** Runs prompts, whose sizes seldom occur twice. Returns a token for each sequence; waits for the device. */
    int[] prompts(Rows rows) {
        return run(rows, false);
    }

    /** Runs one row of each sequence. Returns their tokens; waits for the device. */
    int[] step(Rows rows) {
        return run(rows, true);
    }

    private int[] run(Rows rows, boolean isStep) {
        PackedBatch batch = rows.batch;
        int last = batch.hiddenRows().length;
        Results results = headArena.layout(
                layout -> new Results(head.placeActivations(layout, last), layout.words(rows.slots.length)));
        Inputs inputs = upload(rows, results.head.chunkRows(), isStep ? ranges(batch) : KeyRanges.NONE);
        Decoder.Activations activations =
                decoderArena.layout(layout -> decoder.placeShared(layout, inputs.pass.rows()));
        Runnable work = () -> queue(rows, inputs, activations, results);
        if (isStep) {
            Key key = new Key(
                    inputs,
                    rows.slots.length,
                    results,
                    activations.out(),
                    cache.at(),
                    decoder.rotary().addresses(),
                    sampler.state());
            device.withFewRows(() -> graphs.run(key, work));
        } else {
            device.withFewRows(work); // so that a row has the same bits in a prompt and in a step
        }
        return device.downloadInts(results.tokens, rows.slots.length);
    }

    /**
     * How attention splits the keys of a step. The bound is rounded up, so that the graph of a step serves for many more. If
     * some texts of a batch are longer, the others have the same bits.
     */
    private KeyRanges ranges(PackedBatch batch) {
        if (!splitsKeys) {
            return KeyRanges.NONE;
        }
        int longest = batch.segments().stream()
                .mapToInt(segment -> segment.prefixCount() + segment.keyOffset() + segment.queryCount())
                .max()
                .orElse(1);
        int maxKeys = maxKeys(longest);
        long bytes = rangesBytes(batch.rows(), maxKeys);
        return new KeyRanges(maxKeys, rangesArena.layout(layout -> layout.allocate(bytes)));
    }

    /** The lowest power of two that is not below {@code longest}, and at least the keys of a range. */
    private static int maxKeys(int longest) {
        int rounded = longest > 1 << 30 ? longest : Integer.highestOneBit(longest - 1) << 1;
        return Math.max(Attention.RANGE_KEYS, rounded);
    }

    private long rangesBytes(int sequences, int maxKeys) {
        return splitsKeys ? Attention.decodeWorkspaceBytes(sequences, sizes.heads(), sizes.headWidth(), maxKeys) : 0;
    }

    private Inputs upload(Rows rows, int chunkRows, KeyRanges ranges) {
        Bucket bucket = Bucket.exact(rows.batch);
        Inputs inputs = indices.layout(layout -> Inputs.place(layout, bucket, rows, ranges));
        inputs.pass.put(indices, rows.batch, decoder.rotary().reserve(rows.batch), bucket);
        indices.put(inputs.pass.cacheRows(), rows.cacheRows);
        indices.put(inputs.lastRows, rows.batch.hiddenRows());
        indices.put(inputs.logitsRows, logitsRows(rows, chunkRows));
        indices.put(inputs.slots, rows.slots);
        indices.put(inputs.draws, rows.draws);
        indices.upload();
        return inputs;
    }

    /** The row of each sequence in its chunk of logits. */
    private static int[] logitsRows(Rows rows, int chunkRows) {
        int[] result = new int[rows.slots.length];
        for (int i = 0; i < rows.batch.hiddenRows().length; i++) {
            for (int sequence = rows.sequences[i]; sequence < rows.sequences[i + 1]; sequence++) {
                result[sequence] = i % chunkRows;
            }
        }
        return result;
    }

    private void queue(Rows rows, Inputs inputs, Decoder.Activations activations, Results results) {
        decoder.forward(inputs.pass, activations, cache);
        head.normalise(results.head, activations.out(), inputs.lastRows);
        int last = rows.batch.hiddenRows().length;
        int chunkRows = results.head.chunkRows();
        for (int begin = 0; begin < last; begin += chunkRows) {
            int count = Math.min(chunkRows, last - begin);
            long logits = head.logits(results.head, begin, count);
            long first = rows.sequences[begin];
            sampler.queue(
                    new SampleTokens.Rows(
                            results.tokens + 4 * first,
                            inputs.draws + 4 * SampleTokens.DRAW_WORDS * first,
                            rows.sequences[begin + count] - first),
                    new SampleTokens.Logits(
                            logits,
                            inputs.logitsRows + 4 * first,
                            vocabulary,
                            results.head.logitsStride(),
                            head.transform()),
                    inputs.slots + 4 * first);
        }
    }

    /** The logit of a token in row {@code i} of the {@code hiddenRows} of the last pass, computed again. */
    float logit(Rows rows, int i, int token) {
        Results results = headArena.layout(layout -> new Results(
                head.placeActivations(layout, rows.batch.hiddenRows().length), layout.words(rows.slots.length)));
        long[] logits = new long[1];
        device.withFewRows(() -> logits[0] = head.logits(results.head, i, 1));
        return device.downloadFloats(logits[0] + 4L * token, 1)[0];
    }

    @Override
    public void close() {
        graphs.close();
        decoder.close();
        indices.close();
        decoderArena.close();
        headArena.close();
        rangesArena.close();
        cache.close();
    }
}
