package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Gradient;
import org.dpo4j.kernels.TokenLogProb.Logits;
import org.dpo4j.kernels.TokenLogProb.Results;
import org.dpo4j.kernels.decoder.CopyRows;
import org.dpo4j.kernels.decoder.Embedding;
import org.dpo4j.kernels.decoder.RmsNorm;

/**
 * Last norm and head, for the rows that predict a completion token and for no other: {@code logprob = log
 * softmax(norm(x) W^T)[target]}.
 *
 * <p>Logits exist for a chunk of rows at a time, f32, within a given number of bytes. Backward computes a chunk's
 * logits again, except those of the last one, which are still there: a batch of one chunk pays three products and not
 * four.
 */
final class LmHead implements AutoCloseable {
    /** 64 MiB: 128 rows of a vocabulary of 128 Ki. */
    static final long LOGITS_BYTES = 64L << 20;

    private static final long STATISTICS_BYTES = 4L * TokenLogProb.STATISTICS;

    private final Device device;
    private final DType dtype;
    private final Parameters parameters;
    private final ParameterLayout layout;
    private final Arena arena;
    private final boolean training;
    private final boolean withStatistics;
    private final int hidden;
    private final int vocabulary;
    private final int stride;
    private final float epsilon;
    private final int mostRows;

    private int tokens;
    private int chunkRows;
    private long gathered;
    private long rstd;
    private long normed;
    private long logits;
    private long logprob;
    private long lse;
    private long statistics;
    private long dLogits;
    private long dNormed;
    private long dGathered;
    private long normWorkspace;

    LmHead(Model model, boolean training, boolean withStatistics, long logitsBytes) {
        this.device = model.device();
        this.parameters = model.parameters();
        this.dtype = parameters.dtype();
        this.layout = parameters.layout();
        this.arena = new Arena(device);
        this.training = training;
        this.withStatistics = withStatistics;
        this.hidden = model.config().hiddenSize();
        this.vocabulary = model.config().vocabSize();
        this.stride = vocabulary + 7 & -8;
        this.epsilon = (float) model.config().rmsNormEps();
        // a multiple of 4, so that every chunk of the f32 vectors begins at 16 bytes
        this.mostRows = (int) Math.max(4, Math.min(Integer.MAX_VALUE, logitsBytes / (4L * stride)) & -4);
    }

    /** Queues the norm of rows {@code hiddenRows} i32[tokens] of {@code stream} [.., hidden]; every pass begins so. */
    void normalise(long stream, long hiddenRows, int tokens) {
        this.tokens = tokens;
        this.chunkRows = Math.min(mostRows, tokens);
        arena.lay(this::lay);
        CopyRows.forward(device, gathered, stream, 0, hiddenRows, tokens, hidden, hidden, hidden, dtype);
        RmsNorm.forward(device, normed, rstd, gathered, parameters.weight(layout.norm), tokens, hidden, epsilon, dtype);
    }

    private void lay() {
        gathered = arena.take(bytes(tokens));
        normed = arena.take(bytes(tokens));
        rstd = arena.take(4L * tokens);
        logprob = arena.take(4L * tokens);
        lse = arena.take(4L * tokens);
        statistics = arena.take(withStatistics ? STATISTICS_BYTES * tokens : 0);
        logits = arena.take(4L * chunkRows * stride);
        if (training) {
            // f32 logits become their gradient in place; bf16 products want a bf16 gradient
            dLogits = dtype == DType.F32 ? logits : arena.take((long) chunkRows * stride * dtype.bytes());
            dNormed = arena.take(bytes(tokens));
            dGathered = arena.take(bytes(tokens));
            normWorkspace = arena.take(RmsNorm.backwardWorkspaceBytes(tokens, hidden));
        }
    }

    /**
     * Queues the log-probs f32[tokens] of {@code targets} i32[tokens], after {@link #normalise}; the result is valid
     * until the next pass.
     */
    long forward(long targets) {
        for (int begin = 0; begin < tokens; begin += chunkRows) {
            int rows = Math.min(chunkRows, tokens - begin);
            logits(begin, rows);
            TokenLogProb.forward(
                    device,
                    new Results(logprob + 4L * begin, lse + 4L * begin, statisticsOf(begin)),
                    chunk(),
                    targets + 4L * begin,
                    rows);
        }
        return logprob;
    }

    /**
     * Queues the logits f32 of {@code rows} rows, {@link #logitsStride} apart, after {@link #normalise}; at most {@link
     * #chunkRows}.
     */
    long logits(int begin, int rows) {
        device.matmul(
                logits,
                normed + bytes(begin),
                parameters.weight(layout.head),
                rows,
                vocabulary,
                hidden,
                stride,
                hidden,
                hidden,
                false,
                true,
                false,
                DType.F32,
                dtype);
        return logits;
    }

    int logitsStride() {
        return stride;
    }

    int chunkRows() {
        return chunkRows;
    }

    /**
     * Queues the backward pass of the last forward: adds to the gradients of head and last norm, and writes the
     * gradient of all {@code rows} rows of the stream to {@code dStream}. {@code rowsByIndex} sorts the hidden rows:
     * one that predicts two tokens receives both gradients.
     */
    void backward(long dStream, int rows, long dLogprob, long targets, Indices indices, Indices.Sorted rowsByIndex) {
        int last = tokens == 0 ? -1 : (tokens - 1) / chunkRows * chunkRows;
        for (int begin = last; begin >= 0; begin -= chunkRows) {
            backwardChunk(begin, Math.min(chunkRows, tokens - begin), begin == last, dLogprob, targets);
        }
        RmsNorm.backward(
                device,
                dGathered,
                parameters.gradient(layout.norm),
                normWorkspace,
                dNormed,
                0,
                gathered,
                parameters.weight(layout.norm),
                rstd,
                tokens,
                hidden,
                dtype);
        device.fill(dStream, 0, bytes(rows));
        Embedding.backward(
                device,
                dStream,
                dGathered,
                indices.address(rowsByIndex.order()),
                indices.address(rowsByIndex.offsets()),
                indices.address(rowsByIndex.distinct()),
                rowsByIndex.count(),
                hidden,
                dtype,
                dtype);
    }

    private void backwardChunk(int begin, int rows, boolean logitsAreThere, long dLogprob, long targets) {
        if (!logitsAreThere) {
            logits(begin, rows);
        }
        TokenLogProb.backward(
                device,
                new Gradient(dLogits, stride, dtype),
                chunk(),
                targets + 4L * begin,
                lse + 4L * begin,
                dLogprob + 4L * begin,
                rows);
        device.matmul(
                dNormed + bytes(begin),
                dLogits,
                parameters.weight(layout.head),
                rows,
                hidden,
                vocabulary,
                hidden,
                stride,
                hidden,
                false,
                false,
                false,
                dtype,
                dtype);
        device.matmul(
                parameters.gradient(layout.head),
                dLogits,
                normed + bytes(begin),
                vocabulary,
                hidden,
                rows,
                hidden,
                stride,
                hidden,
                true,
                false,
                true,
                DType.F32,
                dtype);
    }

    /** f32[tokens, TokenLogProb.STATISTICS] of the last {@link #forward}. */
    long statistics() {
        return statistics;
    }

    private long statisticsOf(int token) {
        return withStatistics ? statistics + STATISTICS_BYTES * token : 0;
    }

    private Logits chunk() {
        return new Logits(logits, vocabulary, stride, DType.F32);
    }

    private long bytes(int rows) {
        return (long) rows * hidden * dtype.bytes();
    }

    @Override
    public void close() {
        arena.close();
    }
}
