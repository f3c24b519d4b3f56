package org.dpo4j.model;

import java.util.Arrays;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.TokenLogProb;

/**
 * The way of a training batch through head and loss and back, a part at a time: hidden rows, log-probs, sums, loss, and
 * the gradient that goes back to the stream. Nothing but the stream outlives a part, so every part lies at the same
 * place, and its launches depend on its sizes alone: on a device that captures, they come again as a graph. There a
 * part has rows behind its own, as {@link Bucket#headRows} says: its first hidden row again, masked, so that their
 * gradient is exactly 0.
 */
final class HeadPass implements AutoCloseable {
    private static final int MASKED = -1;

    private final Device device;
    private final CompletionSums of;
    private final CompletionHead head;
    private final Indices indices;
    private final Arena arena;
    private final Graphs graphs;

    /**
     * One part, laid out.
     *
     * @param rows of the part and behind it
     * @param hiddenRows i32[rows]
     * @param targets i32[rows]
     * @param offsets i32[completions + 1], from the part's first token
     * @param lengths i32[completions]
     */
    private record Laid(
            int rows,
            int completions,
            long hiddenRows,
            long targets,
            long offsets,
            long lengths,
            RowsByIndex rowsByIndex) {}

    /** Where results go: f32[completions], f32[completions, TokenLogProb.STATISTICS], f32[rows]. */
    private record Results(long sums, long statistics, long dLogprob) {}

    /** All that the launches of a part depend on; the memory of the head begins at {@code head}. */
    private record Key(Laid part, Results results, long head, long stream, long dStream, CompletionLoss loss) {}

    HeadPass(Device device, CompletionSums of, CompletionHead head, boolean graphs) {
        this.device = device;
        this.of = of;
        this.head = head;
        this.indices = new Indices(device);
        this.arena = new Arena(device);
        this.graphs = new Graphs(device, graphs);
    }

    /**
     * Makes room for every part of a batch whose parts have no more tokens than that: what lies at one place for all
     * parts moves, and graphs with it, as seldom as it can.
     */
    void reserve(int tokens, int completions) {
        int rows = rows(tokens);
        head.lay(rows);
        layResults(rows, completions);
        indices.reserve(indexLengths(rows, completions));
    }

    /** What {@link #reserve} takes of the device, but for results. */
    long bytes(int tokens, int completions) {
        int rows = rows(tokens);
        return head.passBytes(rows) + Indices.bytes(indexLengths(rows, completions));
    }

    /** What {@link #reserve} takes of the device for results. */
    long resultBytes(int tokens, int completions) {
        return arena.measure(() -> takeResults(rows(tokens), completions));
    }

    /** Of all arrays that {@link #upload} adds. */
    private static long[] indexLengths(int rows, int completions) {
        return new long[] {rows, rows, rows, rows + 1L, rows, completions + 1L, completions};
    }

    private int rows(int tokens) {
        return device.captures() ? Bucket.headRows(tokens, head.mostRows()) : tokens;
    }

    /**
     * Queues the part of a batch whose {@code stream} the decoder has left: adds to the gradients of head and last norm,
     * and of the stream.
     */
    void run(PackedBatch batch, HeadPart part, CompletionLoss loss, long stream, long dStream) {
        Laid laid = upload(batch, part);
        head.lay(laid.rows);
        Results results = layResults(laid.rows, laid.completions);
        LogProbs logProbs = new LogProbs(head.logprob(), results.sums, laid.lengths, results.statistics);
        loss.upload(part.first(), part.completions());
        graphs.run(new Key(laid, results, head.memory(), stream, dStream, loss), () -> {
            head.normalise(stream, laid.hiddenRows);
            head.forwardUnit(laid.targets);
            of.queue(device, head, laid.offsets, laid.completions, results.sums, results.statistics);
            long dSums = loss.dSums(logProbs, laid.completions);
            device.fill(results.dLogprob, 0, 4L * laid.rows); // finite behind the part's own
            of.queueBackward(device, results.dLogprob, dSums, laid.offsets, laid.completions);
            head.backward(results.dLogprob, laid.targets);
            head.backwardToStream(dStream, laid.rowsByIndex);
        });
        loss.keep(logProbs, part.first(), part.completions());
    }

    private Results layResults(int rows, int completions) {
        Results[] laid = new Results[1];
        arena.lay(() -> laid[0] = takeResults(rows, completions));
        return laid[0];
    }

    private Results takeResults(int rows, int completions) {
        long sums = arena.take(4L * completions);
        long statistics = arena.take(of.statistics() ? 4L * TokenLogProb.STATISTICS * completions : 0);
        return new Results(sums, of.statistics() ? statistics : 0, arena.take(4L * rows));
    }

    private Laid upload(PackedBatch batch, HeadPart part) {
        int rows = rows(part.tokens());
        int[] own = Arrays.copyOfRange(batch.hiddenRows(), part.begin(), part.endToken());
        int[] hiddenRows = Arrays.copyOf(own, rows);
        Arrays.fill(hiddenRows, own.length, rows, own.length == 0 ? 0 : own[0]);
        int[] targets = Arrays.copyOf(Arrays.copyOfRange(batch.targets(), part.begin(), part.endToken()), rows);
        Arrays.fill(targets, own.length, rows, MASKED);
        indices.clear();
        int hiddenRowsAt = indices.add(hiddenRows);
        int targetsAt = indices.add(targets);
        Indices.Sorted sorted = indices.addSorted(own, rows);
        int offsetsAt = indices.add(part.offsets(batch));
        int lengthsAt = indices.add(Arrays.copyOfRange(batch.lengths(), part.first(), part.end()));
        indices.upload();
        return new Laid(
                rows,
                part.completions(),
                indices.address(hiddenRowsAt),
                indices.address(targetsAt),
                indices.address(offsetsAt),
                indices.address(lengthsAt),
                indices.rowsByIndex(sorted));
    }

    @Override
    public void close() {
        graphs.close();
        indices.close();
        arena.close();
    }
}
