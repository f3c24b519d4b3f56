package org.dpo4j.model;

import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.Device;

/**
 * A {@link Model} in training: the gradient of a {@link CompletionLoss} through head and decoder. All activations are
 * kept between forward and backward. Its memory grows when a larger batch arrives and is freed by {@link #close}. Does not
 * close the model. {@link ScoringModel} computes the same bits of log-probs without gradients.
 */
public final class TrainingModel implements AutoCloseable {

    /**
     * How to train.
     *
     * @param sums what the loss reads of the completions
     * @param logitsBytes maximum memory of logits. Groups of completions that do not fit cost a product with the head
     *     more; every chunk of a batch adds to the gradient of the head once
     * @param hasGraphs whether the launches of a pass are CUDA graphs: one forward through the decoder, one for each chunk
     *     that head and loss take, one back. The bits are the same: batches are padded wherever graphs could be. Wants a
     *     device that {@link Device#supportsGraphs supports CUDA graphs}
     */
    public record Options(CompletionSums sums, long logitsBytes, boolean hasGraphs) {
        /** 512 MiB: 1024 rows of a vocabulary of 128 Ki. */
        public static final long DEFAULT_LOGITS_BYTES = 512L << 20;

        /** Without graphs. */
        public Options(CompletionSums sums) {
            this(sums, DEFAULT_LOGITS_BYTES, false);
        }
    }

    private record Inputs(Pass pass, RowsByIndex ids) {
        static Inputs place(Layout layout, Bucket bucket, PackedBatch batch) {
            return new Inputs(
                    Pass.place(layout, bucket, batch.positionsEnd()), RowsByIndex.place(layout, bucket.rows()));
        }
    }

    private final Model model;
    private final TrainingDecoder decoder;
    private final ChunkedHead head;
    private final Indices indices;

    /** Makes the model's gradients. */
    public TrainingModel(Model model, Options options) {
        model.parameters().makeGradients();
        this.model = model;
        this.decoder = new TrainingDecoder(model, options.hasGraphs);
        this.head = new ChunkedHead(model, options.sums, options.logitsBytes, options.hasGraphs);
        this.indices = new Indices(model.device());
    }

    public Model model() {
        return model;
    }

    /**
     * Rows of logits that there is memory for. A group of completions with more tokens costs four products with the head,
     * others three.
     */
    public int logitsRows() {
        return head.maxRows();
    }

    /**
     * Device memory that {@link #accumulate} takes for a batch and a loss of this {@link CompletionLoss#group} when no
     * batch before was larger; weights and gradients are not in it. Nothing is allocated.
     */
    public PassMemory memory(PackedBatch batch, int group) {
        Bucket bucket = bucket(batch);
        int tokens = LossChunk.maxTokens(batch.offsets(), group, head.maxRows());
        return new PassMemory(
                decoder.activationBytes(bucket.rows()),
                head.bytes(tokens, batch.completions()),
                decoder.rotaryBytes(batch.positionsEnd()),
                Indices.bytes(layout -> Inputs.place(layout, bucket, batch)),
                head.resultBytes(tokens, batch.completions()));
    }

    /**
     * Queues a forward pass and the backward pass of {@code loss}: adds d loss / d weights to the model's gradients. Head
     * and loss take the batch a chunk at a time. Nothing is waited for. Throws, naming the row, when an index of the batch
     * is out of range.
     */
    public void accumulate(PackedBatch batch, CompletionLoss loss) {
        BatchCheck.check(batch, model.architecture());
        Inputs inputs = upload(batch);
        TrainingDecoder.Forward forward = decoder.forward(inputs.pass);
        int maxRows = head.maxRows();
        head.reserve(LossChunk.maxTokens(batch.offsets(), loss.group(), maxRows), batch.completions());
        for (LossChunk chunk : LossChunk.split(batch.offsets(), loss.group(), maxRows)) {
            head.run(batch, chunk, loss, forward.out(), forward.dHidden());
        }
        forward.backward(inputs.ids);
    }

    private Inputs upload(PackedBatch batch) {
        Bucket bucket = bucket(batch);
        Inputs inputs = indices.layout(layout -> Inputs.place(layout, bucket, batch));
        inputs.pass.put(indices, batch, bucket);
        inputs.ids.put(indices, batch.ids());
        indices.upload();
        return inputs;
    }

    private Bucket bucket(PackedBatch batch) {
        return model.device().supportsGraphs() ? Bucket.rounded(batch) : Bucket.exact(batch);
    }

    @Override
    public void close() {
        decoder.close();
        head.close();
        indices.close();
    }
}
