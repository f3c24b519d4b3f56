package org.dpo4j.model;

import java.util.List;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.SequenceSum;
import org.dpo4j.kernels.SequenceSum.Sequences;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.decoder.Segment;

/**
 * Log-probs of completions, and their gradient: decoder, head and sums over one {@link Model}. Several may share a
 * model; each has activations of its own, which grow when a larger batch arrives and are freed by {@link #close}. Does
 * not close the model.
 */
public final class LanguageModel implements AutoCloseable {
    /**
     * What logits of a training pass may take, where it has so many: 512 MiB, 1024 rows of a vocabulary of 128 Ki.
     * Pairs that are longer cost a product more, and every part of a batch adds to the gradient of the head once.
     */
    public static final long TRAINING_LOGITS_BYTES = 512L << 20;

    /** Where the arrays that the decoder reads lie among the indices. */
    private record Laid(Bucket bucket, int ids, int positions, int segments) {}

    /** Where the arrays of one batch lie among the indices. */
    private record Places(
            Pass pass, int tokens, int completions, long hiddenRows, long targets, long offsets, long lengths) {

        HeadPart whole() {
            return new HeadPart(0, completions, 0, tokens);
        }
    }

    private final Model model;
    private final Device device;
    private final boolean training;
    private final CompletionSums of;
    private final Decoder decoder;
    private final CompletionHead head;
    private final Indices indices;
    private final Arena arena;
    private long sums;
    private long statisticSums;
    private long dLogprob;

    private LanguageModel(Model model, boolean training, CompletionSums of, long logitsBytes, boolean graphs) {
        this.model = model;
        this.device = model.device();
        this.training = training;
        this.of = of;
        this.decoder = new Decoder(model, training, graphs);
        this.head = new CompletionHead(model, training, of.statistics(), logitsBytes);
        this.indices = new Indices(device);
        this.arena = new Arena(device);
    }

    /** For {@link #accumulate}: keeps all activations, and makes the model's gradients. */
    public static LanguageModel training(Model model, CompletionSums of) {
        return training(model, of, TRAINING_LOGITS_BYTES);
    }

    /** As {@link #training(Model, CompletionSums)}, with another bound on the memory of logits. */
    public static LanguageModel training(Model model, CompletionSums of, long logitsBytes) {
        return training(model, of, logitsBytes, false);
    }

    /**
     * As {@link #training(Model, CompletionSums, long)}; with {@code graphs}, what a bucket of batches has in common is
     * captured, and its launches cost the host one. The bits are the same: batches are laid in buckets wherever graphs
     * could be. Wants a device that {@link Device#captures captures}.
     */
    public static LanguageModel training(Model model, CompletionSums of, long logitsBytes, boolean graphs) {
        model.parameters().makeGradients();
        return new LanguageModel(model, true, of, logitsBytes, graphs);
    }

    /** Forward only: one layer's activations in memory, whatever the depth. The same bits as {@link #training}. */
    public static LanguageModel evaluation(Model model, CompletionSums of) {
        return new LanguageModel(model, false, of, CompletionHead.LOGITS_BYTES, false);
    }

    public Model model() {
        return model;
    }

    /**
     * Rows of logits that there is memory for. A group of completions with more tokens costs {@link #accumulate} four
     * products with the head, others three.
     */
    public int logitsRows() {
        return head.mostRows();
    }

    /**
     * What a pass over the batch takes of the device when none before was larger, weights and gradients aside. Arithmetic:
     * nothing is allocated.
     */
    public PassMemory memory(PackedBatch batch) {
        Bucket bucket = bucket(batch);
        int tokens = batch.tokens();
        int completions = batch.completions();
        return new PassMemory(
                decoder.activationBytes(bucket.rows()),
                head.passBytes(tokens),
                decoder.rotaryBytes(end(batch.positions())),
                indexBytes(bucket, batch),
                arena.measure(() -> lay(tokens, completions)));
    }

    /** As if all ids and hidden rows were distinct. */
    private long indexBytes(Bucket bucket, PackedBatch batch) {
        long rows = batch.rows();
        long tokens = batch.tokens();
        long completions = batch.completions();
        long segments = (long) Segment.INTS * bucket.segments();
        if (!training) {
            return Indices.bytes(bucket.rows(), bucket.rows(), segments, tokens, tokens, completions + 1, completions);
        }
        return Indices.bytes(
                bucket.rows(),
                bucket.rows(),
                segments,
                rows,
                rows + 1,
                rows,
                tokens,
                tokens + 1,
                tokens,
                tokens,
                tokens,
                completions + 1,
                completions);
    }

    /**
     * Queues a forward pass; nothing is waited for. Throws, naming the row, when an index of the batch is out of range.
     */
    public LogProbs forward(PackedBatch batch) {
        BatchCheck.check(batch, model.config());
        indices.clear();
        Places places = forwardToHead(batch, addPass(batch));
        head.forward(places.targets);
        return sum(places, places.whole());
    }

    /**
     * Queues a forward pass and the backward pass of {@code loss}: adds d loss / d weights to the model's gradients.
     * The head takes the batch a part at a time, and the loss is asked for the gradient of a part once its sums are
     * queued. Nothing is waited for; throws as {@link #forward} does.
     */
    public LogProbs accumulate(PackedBatch batch, CompletionLoss loss) {
        if (!training) {
            throw new Dpo4jException("accumulate has no gradients to add to; use LanguageModel.training");
        }
        BatchCheck.check(batch, model.config());
        indices.clear();
        Laid laid = addPass(batch);
        Indices.Sorted ids = indices.addSorted(batch.ids());
        Indices.Sorted hiddenRows = indices.addSorted(batch.hiddenRows());
        Places places = forwardToHead(batch, laid);
        for (HeadPart part : HeadPart.of(batch.offsets(), loss.group(), head.mostRows())) {
            head.forward(part, places.targets);
            long dSums = loss.dSums(sum(places, part), part.first(), part.completions());
            SequenceSum.backward(device, dLogprob, dSums, sequences(places, part));
            head.backward(part, dLogprob, places.targets);
        }
        head.backwardToStream(decoder.dOut(), places.pass.rows(), indices, hiddenRows);
        decoder.backward(places.pass, indices, ids);
        return logProbs(places, places.whole());
    }

    private Places forwardToHead(PackedBatch batch, Laid laid) {
        Places places = upload(batch, laid);
        head.normalise(decoder.forward(places.pass, null), places.hiddenRows, places.tokens);
        arena.lay(() -> lay(places.tokens, places.completions));
        return places;
    }

    private void lay(int tokens, int completions) {
        sums = arena.take(4L * completions);
        statisticSums = arena.take(of.statistics() ? 4L * TokenLogProb.STATISTICS * completions : 0);
        dLogprob = arena.take(training ? 4L * tokens : 0);
    }

    private LogProbs sum(Places places, HeadPart part) {
        LogProbs logProbs = logProbs(places, part);
        SequenceSum.forward(device, logProbs.sums(), head.logprob(), sequences(places, part));
        if (of.statistics()) {
            SequenceSum.forward(
                    device,
                    logProbs.statistics(),
                    head.statistics(),
                    new Sequences(
                            places.offsets + 4L * part.first(), part.completions(), TokenLogProb.STATISTICS, 1, false));
        }
        return logProbs;
    }

    private LogProbs logProbs(Places places, HeadPart part) {
        long first = part.first();
        return new LogProbs(
                head.logprob() + 4L * part.begin(),
                sums + 4 * first,
                places.lengths + 4 * first,
                of.statistics() ? statisticSums + 4L * TokenLogProb.STATISTICS * first : 0);
    }

    private Sequences sequences(Places places, HeadPart part) {
        return new Sequences(places.offsets + 4L * part.first(), part.completions(), 1, of.tailFactor(), false);
    }

    /** Before all other indices: the arrays of a bucket lie at the same addresses in every pass. */
    private Laid addPass(PackedBatch batch) {
        Bucket bucket = bucket(batch);
        return new Laid(
                bucket,
                indices.add(bucket.ids(batch)),
                indices.add(bucket.positions(batch)),
                indices.add(bucket.segments(batch)));
    }

    private Bucket bucket(PackedBatch batch) {
        return training && device.captures() ? Bucket.of(batch) : Bucket.exact(batch);
    }

    private Places upload(PackedBatch batch, Laid laid) {
        int hiddenRows = indices.add(batch.hiddenRows());
        int targets = indices.add(batch.targets());
        int offsets = indices.add(batch.offsets());
        int lengths = indices.add(batch.lengths());
        indices.upload();
        Pass pass = new Pass(
                laid.bucket.rows(),
                indices.address(laid.ids),
                indices.address(laid.positions),
                end(batch.positions()),
                indices.address(laid.segments),
                laid.bucket.segments(),
                laid.bucket.maxQueries(),
                0);
        return new Places(
                pass,
                batch.tokens(),
                batch.completions(),
                indices.address(hiddenRows),
                indices.address(targets),
                indices.address(offsets),
                indices.address(lengths));
    }

    static int end(int[] positions) {
        int end = 0;
        for (int position : positions) {
            end = Math.max(end, position + 1);
        }
        return end;
    }

    static int maxQueries(List<Segment> segments) {
        return segments.stream().mapToInt(Segment::queryCount).max().orElse(0);
    }

    @Override
    public void close() {
        decoder.close();
        head.close();
        indices.close();
        arena.close();
    }
}
