package org.dpo4j.model;

import java.util.List;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.SequenceSum;
import org.dpo4j.kernels.SequenceSum.Sequences;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.decoder.Segment;
import org.jspecify.annotations.Nullable;

/**
 * Log-probs of completions, and their gradient: decoder, head and sums over one {@link Model}. Several may share a
 * model; each has activations of its own, which grow when a larger batch arrives and are freed by {@link #close}. Does
 * not close the model.
 */
public final class LanguageModel implements AutoCloseable {

    /** Where the arrays of one batch lie among the indices. */
    private record Places(
            Pass pass, int tokens, int completions, long hiddenRows, long targets, long offsets, long lengths) {}

    private record BackwardPlaces(Indices.Sorted ids, Indices.Sorted hiddenRows) {}

    private final Model model;
    private final Device device;
    private final boolean training;
    private final CompletionSums of;
    private final Decoder decoder;
    private final LmHead head;
    private final Indices indices;
    private final Arena arena;
    private long sums;
    private long statisticSums;
    private long dLogprob;
    private @Nullable Places last;
    private @Nullable BackwardPlaces lastBackward;

    private LanguageModel(Model model, boolean training, CompletionSums of, long logitsBytes) {
        this.model = model;
        this.device = model.device();
        this.training = training;
        this.of = of;
        this.decoder = new Decoder(model, training);
        this.head = new LmHead(model, training, of.statistics(), logitsBytes);
        this.indices = new Indices(device);
        this.arena = new Arena(device);
    }

    /** Keeps what {@link #backward} needs, and makes the model's gradients. */
    public static LanguageModel training(Model model, CompletionSums of) {
        return training(model, of, LmHead.LOGITS_BYTES);
    }

    /** As {@link #training(Model, CompletionSums)}, of plain sums, with another bound on the memory of logits. */
    static LanguageModel training(Model model, long logitsBytes) {
        return training(model, CompletionSums.PLAIN, logitsBytes);
    }

    private static LanguageModel training(Model model, CompletionSums of, long logitsBytes) {
        model.parameters().gradients();
        return new LanguageModel(model, true, of, logitsBytes);
    }

    /** Forward only: one layer's activations in memory, whatever the depth. The same bits as {@link #training}. */
    public static LanguageModel evaluation(Model model, CompletionSums of) {
        return new LanguageModel(model, false, of, LmHead.LOGITS_BYTES);
    }

    public Model model() {
        return model;
    }

    /**
     * Queues a forward pass; nothing is waited for. Throws, naming the row, when an index of the batch is out of range.
     */
    public LogProbs forward(PackedBatch batch) {
        BatchCheck.check(batch, model.config());
        Places places = upload(batch);
        last = places;
        long stream = decoder.forward(places.pass, null);
        head.normalise(stream, places.hiddenRows, places.tokens);
        long logprob = head.forward(places.targets);
        arena.lay(() -> {
            sums = arena.take(4L * places.completions);
            statisticSums = arena.take(of.statistics() ? 4L * TokenLogProb.STATISTICS * places.completions : 0);
            dLogprob = arena.take(training ? 4L * places.tokens : 0);
        });
        SequenceSum.forward(device, sums, logprob, sequences(places));
        if (of.statistics()) {
            SequenceSum.forward(
                    device,
                    statisticSums,
                    head.statistics(),
                    new Sequences(places.offsets, places.completions, TokenLogProb.STATISTICS, 1, false));
        }
        return new LogProbs(logprob, sums, places.lengths, of.statistics() ? statisticSums : 0);
    }

    /**
     * Queues the backward pass of the last forward: adds d loss / d weights to the model's gradients, from {@code
     * dSums} f32[completions] on the device. Once a forward, since it consumes the activations.
     */
    public void backward(long dSums) {
        Places places = last;
        BackwardPlaces sorted = lastBackward;
        if (places == null || sorted == null) {
            throw new Dpo4jException(
                    "backward has no forward pass to follow; call forward of a LanguageModel.training before each"
                            + " backward");
        }
        lastBackward = null;
        SequenceSum.backward(device, dLogprob, dSums, sequences(places));
        head.backward(decoder.dOut(), places.pass.rows(), dLogprob, places.targets, indices, sorted.hiddenRows);
        decoder.backward(places.pass, indices, sorted.ids);
    }

    private Sequences sequences(Places places) {
        return new Sequences(places.offsets, places.completions, 1, of.tailFactor(), false);
    }

    private Places upload(PackedBatch batch) {
        indices.clear();
        int ids = indices.add(batch.ids());
        int positions = indices.add(batch.positions());
        int segments = indices.add(batch.segments());
        int hiddenRows = indices.add(batch.hiddenRows());
        int targets = indices.add(batch.targets());
        int offsets = indices.add(batch.offsets());
        int lengths = indices.add(batch.lengths());
        if (training) {
            lastBackward = new BackwardPlaces(indices.addSorted(batch.ids()), indices.addSorted(batch.hiddenRows()));
        }
        indices.upload();
        Pass pass = new Pass(
                batch.rows(),
                indices.address(ids),
                indices.address(positions),
                end(batch.positions()),
                indices.address(segments),
                batch.segments().size(),
                maxQueries(batch.segments()),
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
