package org.dpo4j.model;

import java.util.Arrays;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.head.HeadPlan;
import org.dpo4j.kernels.head.HeadPlan.Use;
import org.dpo4j.kernels.head.LmHead;

/**
 * Runs head and loss of a training batch forward and backward, one {@link LossChunk} at a time: hidden rows, log-probs,
 * sums, loss, gradient of the hidden states. Only that gradient outlives a chunk. So all chunks use the same memory,
 * their launches depend only on their sizes, and can be replayed as a CUDA graph. On a device with graphs a chunk is
 * padded to {@link Bucket#headRows}. Padding repeats its first hidden row with a masked target, so its gradient is
 * exactly 0.
 */
final class ChunkedHead implements AutoCloseable {
    private static final int MASKED = -1;

    /** Memory of logits on cpu, 512 MiB: 1024 rows with a vocabulary of 128 Ki. */
    private static final long CPU_LOGITS_BYTES = 512L << 20;

    private final Device device;
    private final CompletionSums sums;
    private final CompletionHead head;
    private final Indices indices;
    private final Arena headArena;
    private final Arena resultArena;
    private final Graphs graphs;

    /**
     * The arrays of one chunk, on the device.
     *
     * @param rows rows of the chunk, with padding
     * @param hiddenRows i32[rows]
     * @param targets i32[rows]
     * @param offsets i32[completions + 1], from the chunk's first token
     * @param lengths i32[completions]
     */
    private record Inputs(
            int rows,
            int completions,
            long hiddenRows,
            long targets,
            RowsByIndex rowsByIndex,
            long offsets,
            long lengths) {

        static Inputs place(Layout layout, int rows, int completions) {
            return new Inputs(
                    rows,
                    completions,
                    layout.words(rows),
                    layout.words(rows),
                    RowsByIndex.place(layout, rows),
                    layout.words(completions + 1L),
                    layout.words(completions));
        }
    }

    private record HeadMemory(CompletionHead.Activations activations, CompletionHead.Gradients gradients) {}

    /** Addresses of f32[completions], f32[completions, TokenLogProb.STATISTICS] or 0, f32[rows]. */
    private record Results(long sums, long statistics, long dLogprob) {}

    /**
     * All sizes and addresses that the launches of a chunk depend on.
     *
     * @param head where the memory of the head begins
     * @param isFirst whether the chunk overwrites the gradient of the head's matrix
     */
    private record Key(
            Inputs inputs,
            Results results,
            long head,
            long hidden,
            long dHidden,
            CompletionLoss loss,
            boolean isFirst) {}

    ChunkedHead(Model model, CompletionSums sums, long logitsBytes, boolean hasGraphs) {
        this.device = model.device();
        this.sums = sums;
        boolean isDefault = logitsBytes == TrainingModel.Options.DEFAULT_LOGITS_BYTES;
        this.head = new CompletionHead(
                model, Use.TRAINING, sums.hasStatistics(), isDefault ? CPU_LOGITS_BYTES : logitsBytes);
        if (isDefault && !device.name().equals("cpu")) {
            head.setMaxRows(head.rowsWithin(HeadPlan.GPU_BYTES));
        }
        this.indices = new Indices(device);
        this.headArena = new Arena(device);
        this.resultArena = new Arena(device);
        this.graphs = new Graphs(device, hasGraphs);
    }

    /** Maximum rows of logits in memory. */
    int maxRows() {
        return head.maxRows();
    }

    HeadPlan.Path path() {
        return head.path();
    }

    /** Changes them, for later passes. */
    void setMaxRows(int rows) {
        if (rows != maxRows()) {
            head.setMaxRows(rows);
            graphs.close(); // their keys do not contain it
        }
    }

    /**
     * Allocates memory for all chunks of a batch at once. {@code tokens} is an upper bound on the tokens of a chunk. So
     * memory moves, which invalidates graphs, at most once per batch.
     */
    void reserve(int tokens, int completions) {
        int rows = rows(tokens);
        headArena.layout(layout -> placeHead(layout, rows));
        resultArena.layout(layout -> placeResults(layout, rows, completions));
        indices.layout(layout -> Inputs.place(layout, rows, completions));
    }

    /** Bytes of device memory that {@link #reserve} takes, without results. */
    long bytes(int tokens, int completions) {
        int rows = rows(tokens);
        return Layout.bytes(layout -> placeHead(layout, rows))
                + Indices.bytes(layout -> Inputs.place(layout, rows, completions));
    }

    /** Bytes of device memory that {@link #reserve} takes for results. */
    long resultBytes(int tokens, int completions) {
        return Layout.bytes(layout -> placeResults(layout, rows(tokens), completions));
    }

    private int rows(int tokens) {
        return device.supportsGraphs() ? Bucket.headRows(tokens, head.maxRows()) : tokens;
    }

    private HeadMemory placeHead(Layout layout, int rows) {
        return new HeadMemory(head.placeActivations(layout, rows), head.placeGradients(layout, rows));
    }

    private Results placeResults(Layout layout, int rows, int completions) {
        return new Results(
                layout.words(completions),
                sums.hasStatistics() ? layout.words((long) TokenLogProb.STATISTICS * completions) : 0,
                layout.words(rows));
    }

    /**
     * Queues one chunk of a batch. Adds to the gradients of head and last norm, and to {@code dHidden}. In the first pass of a step,
     * the first chunk overwrites the gradient of the head's matrix.
     *
     * @param hidden hidden states after the decoder
     * @param dHidden their gradient
     */
    void run(PackedBatch batch, LossChunk chunk, CompletionLoss loss, long hidden, long dHidden) {
        Inputs inputs = upload(batch, chunk);
        HeadMemory memory = headArena.layout(layout -> placeHead(layout, inputs.rows));
        Results results = resultArena.layout(layout -> placeResults(layout, inputs.rows, inputs.completions));
        CompletionHead.Activations at = memory.activations;
        LogProbs logProbs = new LogProbs(at.logprob(), results.sums, inputs.lengths, results.statistics);
        loss.upload(chunk.first(), chunk.completions());
        boolean isFirst = chunk.first() == 0 && head.isMatrixGradientEmpty();
        LmHead.HeadGradients to = head.matrixGradients(memory.gradients, isFirst);
        graphs.run(new Key(inputs, results, at.gathered(), hidden, dHidden, loss, isFirst), () -> {
            head.normalise(at, hidden, inputs.hiddenRows);
            LmHead unit = head.forwardUnit(to, at, inputs.targets);
            sums.queue(device, at, inputs.offsets, inputs.completions, logProbs);
            long dSums = loss.dSums(logProbs, inputs.completions);
            device.fill(results.dLogprob, 0, 4L * inputs.rows); // so that it is finite in padding rows
            sums.queueBackward(device, results.dLogprob, dSums, inputs.offsets, inputs.completions);
            unit.backward(to, at.rows(inputs.targets), at.lse(), results.dLogprob);
            head.backward(at, memory.gradients, dHidden, inputs.rowsByIndex);
        });
        loss.keep(logProbs, chunk.first(), chunk.completions());
    }

    private Inputs upload(PackedBatch batch, LossChunk chunk) {
        int rows = rows(chunk.tokens());
        int[] own = Arrays.copyOfRange(batch.hiddenRows(), chunk.beginToken(), chunk.endToken());
        int[] hiddenRows = Arrays.copyOf(own, rows);
        Arrays.fill(hiddenRows, own.length, rows, own.length == 0 ? 0 : own[0]);
        int[] targets = Arrays.copyOf(Arrays.copyOfRange(batch.targets(), chunk.beginToken(), chunk.endToken()), rows);
        Arrays.fill(targets, own.length, rows, MASKED);
        Inputs inputs = indices.layout(layout -> Inputs.place(layout, rows, chunk.completions()));
        indices.put(inputs.hiddenRows, hiddenRows);
        indices.put(inputs.targets, targets);
        inputs.rowsByIndex.put(indices, own);
        indices.put(inputs.offsets, chunk.offsets(batch));
        indices.put(inputs.lengths, Arrays.copyOfRange(batch.lengths(), chunk.first(), chunk.end()));
        indices.upload();
        return inputs;
    }

    @Override
    public void close() {
        graphs.close();
        headArena.close();
        resultArena.close();
        indices.close();
    }
}
