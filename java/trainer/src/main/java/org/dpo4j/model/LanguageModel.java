package org.dpo4j.model;

import java.util.List;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
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

    private final Model model;
    private final Device device;
    private final boolean training;
    private final CompletionSums of;
    private final Decoder decoder;
    private final CompletionHead head;
    private final HeadPass headPass;
    private final Indices indices;
    private final Arena arena;
    private long sums;
    private long statisticSums;

    private LanguageModel(Model model, boolean training, CompletionSums of, long logitsBytes, boolean graphs) {
        this.model = model;
        this.device = model.device();
        this.training = training;
        this.of = of;
        this.decoder = new Decoder(model, training, graphs);
        this.head = new CompletionHead(model, training, of.statistics(), logitsBytes);
        this.headPass = new HeadPass(device, of, head, graphs);
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
     * As {@link #training(Model, CompletionSums, long)}; with {@code graphs}, all launches of a pass are in graphs: one
     * forward through the decoder, one for each part that head and loss take, one back. The bits are the same: batches
     * are laid in buckets wherever graphs could be. Wants a device that {@link Device#captures captures}.
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
     * What the passes over a batch take of the device when none before was larger, weights and gradients aside: {@link
     * #accumulate} with a loss of this {@link CompletionLoss#group} of a model for training, {@link #forward} of one for
     * evaluation. Arithmetic: nothing is allocated.
     */
    public PassMemory memory(PackedBatch batch, int group) {
        Bucket bucket = bucket(batch);
        int completions = batch.completions();
        int tokens = training ? mostTokens(batch, group) : batch.tokens();
        return new PassMemory(
                decoder.activationBytes(bucket.rows()),
                training ? headPass.bytes(tokens, completions) : head.passBytes(tokens),
                decoder.rotaryBytes(end(batch.positions())),
                Indices.bytes(indexLengths(bucket, batch)),
                training ? headPass.resultBytes(tokens, completions) : arena.measure(() -> takeSums(completions)));
    }

    private int mostTokens(PackedBatch batch, int group) {
        return HeadPart.largest(batch.offsets(), group, head.mostRows());
    }

    /** Of all arrays that {@link #accumulate} adds, or {@link #forward}. */
    private long[] indexLengths(Bucket bucket, PackedBatch batch) {
        long rows = bucket.rows();
        long segments = (long) Segment.INTS * bucket.segments();
        long tokens = batch.tokens();
        long completions = batch.completions();
        return training
                ? new long[] {rows, rows, segments, rows, rows + 1, rows}
                : new long[] {rows, rows, segments, tokens, tokens, completions + 1, completions};
    }

    /**
     * Queues a forward pass; nothing is waited for. Throws, naming the row, when an index of the batch is out of range.
     */
    public LogProbs forward(PackedBatch batch) {
        BatchCheck.check(batch, model.config());
        Laid laid = add(batch);
        int hiddenRows = indices.add(batch.hiddenRows());
        int targets = indices.add(batch.targets());
        int offsets = indices.add(batch.offsets());
        int lengths = indices.add(batch.lengths());
        indices.upload();
        head.lay(batch.tokens());
        head.normalise(decoder.forward(pass(laid, batch), null), indices.address(hiddenRows));
        head.forward(indices.address(targets));
        arena.lay(() -> takeSums(batch.completions()));
        of.queue(device, head, indices.address(offsets), batch.completions(), sums, statisticSums);
        return new LogProbs(head.logprob(), sums, indices.address(lengths), of.statistics() ? statisticSums : 0);
    }

    private void takeSums(int completions) {
        sums = arena.take(4L * completions);
        statisticSums = arena.take(of.statistics() ? 4L * TokenLogProb.STATISTICS * completions : 0);
    }

    /**
     * Queues a forward pass and the backward pass of {@code loss}: adds d loss / d weights to the model's gradients.
     * Head and loss take the batch a part at a time. Nothing is waited for; throws as {@link #forward} does.
     */
    public void accumulate(PackedBatch batch, CompletionLoss loss) {
        if (!training) {
            throw new Dpo4jException("accumulate has no gradients to add to; use LanguageModel.training");
        }
        BatchCheck.check(batch, model.config());
        Laid laid = add(batch);
        Indices.Sorted ids = indices.addSorted(batch.ids(), laid.bucket.rows());
        indices.upload();
        Pass pass = pass(laid, batch);
        long stream = decoder.forward(pass, null);
        headPass.reserve(mostTokens(batch, loss.group()), batch.completions());
        for (HeadPart part : HeadPart.of(batch.offsets(), loss.group(), head.mostRows())) {
            headPass.run(batch, part, loss, stream, decoder.dOut());
        }
        decoder.backward(pass, indices.rowsByIndex(ids));
    }

    /** Before all other indices: the arrays of a bucket lie at the same addresses in every pass. */
    private Laid add(PackedBatch batch) {
        indices.clear();
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

    private Pass pass(Laid laid, PackedBatch batch) {
        return new Pass(
                laid.bucket.rows(),
                indices.address(laid.ids),
                indices.address(laid.positions),
                end(batch.positions()),
                indices.address(laid.segments),
                laid.bucket.segments(),
                laid.bucket.maxQueries(),
                0);
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
        headPass.close();
        head.close();
        indices.close();
        arena.close();
    }
}
