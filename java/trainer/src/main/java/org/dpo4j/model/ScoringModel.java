package org.dpo4j.model;

import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.head.HeadPlan.Use;

/**
 * Computes log-probs of completions under a {@link Model}, without gradients. All layers share one set of activations.
 * Several of these may share a model. Memory grows if a batch is larger than all before, and is freed by {@link
 * #close}, which does not close the model.
 */
public final class ScoringModel implements AutoCloseable {

    private record Inputs(Pass pass, long hiddenRows, long targets, long offsets, long lengths) {
        static Inputs place(Layout layout, Bucket bucket, PackedBatch batch) {
            return new Inputs(
                    Pass.place(layout, bucket),
                    layout.words(batch.tokens()),
                    layout.words(batch.tokens()),
                    layout.words(batch.completions() + 1L),
                    layout.words(batch.completions()));
        }
    }

    /** Addresses of f32[completions], f32[completions, TokenLogProb.STATISTICS] or 0. */
    private record Results(long sums, long statistics) {}

    private final Model model;
    private final CompletionSums sums;
    private final Decoder decoder;
    private final CompletionHead head;
    private final Indices indices;
    private final Arena decoderArena;
    private final Arena headArena;
    private final Arena resultArena;

    /** {@code sums}: which sums to compute. */
    public ScoringModel(Model model, CompletionSums sums) {
        this.model = model;
        this.sums = sums;
        this.decoder = new Decoder(model);
        this.head = new CompletionHead(model, Use.FORWARD, sums.hasStatistics(), CompletionHead.SCORING_LOGITS_BYTES);
        this.indices = new Indices(model.device());
        this.decoderArena = new Arena(model.device());
        this.headArena = new Arena(model.device());
        this.resultArena = new Arena(model.device());
    }

    public Model model() {
        return model;
    }

    /**
     * Device memory of {@link #forward} for a batch, if no earlier batch was larger, without weights. Allocates
     * nothing.
     */
    public PassMemory memory(PackedBatch batch) {
        Bucket bucket = Bucket.exact(batch);
        return new PassMemory(
                Layout.bytes(layout -> decoder.placeShared(layout, bucket.rows())),
                Layout.bytes(layout -> head.placeActivations(layout, batch.tokens())),
                decoder.rotary().bytes(batch.positionsEnd()),
                Indices.bytes(layout -> Inputs.place(layout, bucket, batch)),
                Layout.bytes(layout -> placeResults(layout, batch.completions())));
    }

    /**
     * Queues a forward pass and does not wait for the device. Throws, naming the index, if an index of the batch is out
     * of range.
     */
    public LogProbs forward(PackedBatch batch) {
        BatchCheck.check(batch, model.architecture());
        Inputs inputs = upload(batch);
        Decoder.Activations activations = decoderArena.layout(layout -> decoder.placeShared(layout, batch.rows()));
        CompletionHead.Activations rows = headArena.layout(layout -> head.placeActivations(layout, batch.tokens()));
        Results results = resultArena.layout(layout -> placeResults(layout, batch.completions()));
        LogProbs logProbs = new LogProbs(rows.logprob(), results.sums, inputs.lengths, results.statistics);
        decoder.forward(inputs.pass, activations, null);
        head.normalise(rows, activations.out(), inputs.hiddenRows);
        head.forward(rows, inputs.targets);
        sums.queue(model.device(), rows, inputs.offsets, batch.completions(), logProbs);
        return logProbs;
    }

    private Inputs upload(PackedBatch batch) {
        Bucket bucket = Bucket.exact(batch);
        Inputs inputs = indices.layout(layout -> Inputs.place(layout, bucket, batch));
        inputs.pass.put(indices, batch, decoder.rotary().reserve(batch), bucket);
        indices.put(inputs.hiddenRows, batch.hiddenRows());
        indices.put(inputs.targets, batch.targets());
        indices.put(inputs.offsets, batch.offsets());
        indices.put(inputs.lengths, batch.lengths());
        indices.upload();
        return inputs;
    }

    private Results placeResults(Layout layout, int completions) {
        return new Results(
                layout.words(completions),
                sums.hasStatistics() ? layout.words((long) TokenLogProb.STATISTICS * completions) : 0);
    }

    @Override
    public void close() {
        decoder.close();
        indices.close();
        decoderArena.close();
        headArena.close();
        resultArena.close();
    }
}
