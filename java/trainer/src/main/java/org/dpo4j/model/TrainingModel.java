package org.dpo4j.model;

import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.head.HeadPlan;
import org.dpo4j.model.family.Architecture;
import org.jspecify.annotations.Nullable;

/**
 * Computes the gradient of a {@link CompletionLoss} through the head and decoder of a {@link Model}. All activations
 * are kept between forward and backward, or only the inputs of layers ({@link Options#isRecomputed}). Its memory grows if a batch is larger than all before, and is freed by {@link
 * #close}, which does not close the model. {@link ScoringModel} computes the same bits of log-probs without gradients.
 */
public final class TrainingModel implements AutoCloseable {

    /**
     * Options of training.
     *
     * @param sums the sums that the loss reads
     * @param logitsBytes maximum memory of fp32 logits, or {@link #DEFAULT_LOGITS_BYTES}. A group of completions that does not fit needs one
     *     more matrix product with the head
     * @param hasGraphs whether the launches of a pass are CUDA graphs: one for the decoder's forward pass, one per loss
     *     chunk, one for the decoder's backward pass. The bits are the same, because on a device with graphs batches
     *     are padded in either case. Requires a device with {@link Device#supportsGraphs}
     * @param noise on the embeddings; null for none
     * @param isRecomputed whether only the input of each layer is kept, and backward computes the layer's activations again
     *     (gradient checkpointing): less memory, more time, the same bits
     */
    public record Options(
            CompletionSums sums,
            long logitsBytes,
            boolean hasGraphs,
            @Nullable EmbeddingNoise noise,
            boolean isRecomputed) {
        /** As fits the device: 512 MiB of logits on cpu, on others logits and their gradients of {@link HeadPlan#GPU_BYTES}. */
        public static final long DEFAULT_LOGITS_BYTES = 0;

        /** Options of a model without noise that keeps its activations. */
        public Options(CompletionSums sums, long logitsBytes, boolean hasGraphs) {
            this(sums, logitsBytes, hasGraphs, null, false);
        }

        /** Likewise, without graphs. */
        public Options(CompletionSums sums) {
            this(sums, DEFAULT_LOGITS_BYTES, false);
        }
    }

    private record Inputs(
            Pass pass, EmbeddedRows embedded, @Nullable NoisyRows noisy) {
        static Inputs place(Layout layout, Architecture architecture, @Nullable EmbeddingNoise noise, Bucket bucket) {
            return new Inputs(
                    Pass.place(layout, bucket),
                    EmbeddedRows.place(layout, architecture, bucket.rows()),
                    NoisyRows.place(layout, noise, bucket.rows()));
        }
    }

    private final Model model;
    private final TrainingDecoder decoder;
    private final ChunkedHead head;
    private final Indices indices;
    private final @Nullable EmbeddingNoise noise;

    /** Allocates the gradients of the trained weights if they have none. Refuses packed matrices ({@link Model#packMatrices}). */
    public TrainingModel(Model model, Options options) {
        model.parameters().requireRows();
        model.trained().allocateGradients();
        this.model = model;
        this.decoder = new TrainingDecoder(model, options.hasGraphs, options.isRecomputed);
        this.head = new ChunkedHead(model, options.sums, options.logitsBytes, options.hasGraphs);
        this.indices = new Indices(model.device());
        this.noise = options.noise;
    }

    public Model model() {
        return model;
    }

    /**
     * Maximum rows of logits in memory. A group of completions with more tokens needs four matrix products with the
     * head, any other three.
     */
    public int logitsRows() {
        return head.maxRows();
    }

    /** How the head computes log-probs and gradients. */
    public HeadPlan.Path headPath() {
        return head.path();
    }

    /** Changes {@link #logitsRows} for later passes. More rows need more memory, and change the order in which gradients are added. */
    public void setLogitsRows(int rows) {
        head.setMaxRows(rows);
    }

    /**
     * Device memory of {@link #accumulate} for a batch and a loss with this {@link CompletionLoss#group}, if no earlier
     * batch was larger, without weights and their gradients. Allocates nothing.
     *
     * @param isRecomputed as in {@link Options}, whatever those of this model are
     */
    public PassMemory memory(PackedBatch batch, int group, boolean isRecomputed) {
        Bucket bucket = bucket(batch);
        int tokens = LossChunk.maxTokens(batch.offsets(), group, head.maxRows());
        return new PassMemory(
                decoder.activationBytes(bucket.rows(), isRecomputed),
                head.bytes(tokens, batch.completions()),
                decoder.rotary().bytes(batch.positionsEnd()),
                Indices.bytes(layout -> place(layout, bucket)),
                head.resultBytes(tokens, batch.completions()));
    }

    /**
     * Upper bound on the device memory of the CUDA graphs of the decoder's passes, an estimate (see {@link Graphs}). A graph is
     * kept if its batch's bucket occurred twice.
     *
     * @param microBatches those of the run
     * @param isRecomputed as in {@link Options}
     */
    public static long graphBytes(Model model, long microBatches, boolean isRecomputed) {
        long buckets = Math.min(Graphs.MAX_GRAPHS / 2, microBatches / 2);
        return buckets * TrainingDecoder.maxNodes(model, isRecomputed) * Graphs.NODE_BYTES;
    }

    /** Nodes of the CUDA graphs of the decoder's passes. */
    long decoderNodes() {
        return decoder.nodes();
    }

    /**
     * Queues a forward and a backward pass, which adds d loss / d weights to the model's gradients. Head and loss run
     * one chunk at a time. Does not wait for the device. Throws, naming the index, if an index of the batch is out of
     * range. The noise, if there is one, is that of step 0, and the number of a sequence is that of its completion.
     */
    public void accumulate(PackedBatch batch, CompletionLoss loss) {
        int[] sequences = IntStream.range(0, batch.completions()).toArray();
        accumulate(batch, loss, new EmbeddingNoise.Key(0, sequences));
    }

    /** As {@link #accumulate(PackedBatch, CompletionLoss)}, with the noise of this key. A model without noise ignores it. */
    public void accumulate(PackedBatch batch, CompletionLoss loss, EmbeddingNoise.Key key) {
        BatchCheck.check(batch, model.architecture());
        Inputs inputs = upload(batch, key);
        TrainingDecoder.Forward forward = decoder.forward(inputs.pass, inputs.noisy);
        int maxRows = head.maxRows();
        head.reserve(LossChunk.maxTokens(batch.offsets(), loss.group(), maxRows), batch.completions());
        List<LossChunk> chunks = LossChunk.split(batch.offsets(), loss.group(), maxRows);
        if (chunks.isEmpty()) {
            model.trained().weightGradients().settle(); // no product overwrites the gradient of the head
        }
        for (LossChunk chunk : chunks) {
            head.run(batch, chunk, loss, forward.out(), forward.dHidden());
        }
        forward.backward(inputs.embedded);
        model.trained().weightGradients().endPass();
    }

    private Inputs place(Layout layout, Bucket bucket) {
        return Inputs.place(layout, model.architecture(), noise, bucket);
    }

    private Inputs upload(PackedBatch batch, EmbeddingNoise.Key key) {
        Bucket bucket = bucket(batch);
        Inputs inputs = indices.layout(layout -> place(layout, bucket));
        inputs.pass.put(indices, batch, decoder.rotary().reserve(batch), bucket);
        inputs.embedded.put(indices, batch);
        if (inputs.noisy != null && noise != null) {
            inputs.noisy.put(indices, batch, noise, noise.amplitude(model.architecture()), key, bucket.rows());
        }
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
