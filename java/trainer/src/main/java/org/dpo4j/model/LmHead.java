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
import org.dpo4j.kernels.decoder.ScaleRows;

/**
 * Last norm and head, for the rows that predict a completion token and for no other: {@code logprob = log
 * softmax(norm(x) W^T)[target]}.
 *
 * <p>Logits exist for a chunk of rows at a time, f32, within a given number of bytes. A training pass takes the batch
 * in parts. Where all logits of a part fit, they become the gradient of the log-probs in the read that yields the
 * log-probs, and the loss, which is linear in one number a row, enters as a scale of the hidden rows: three products.
 * Where they do not, backward computes them again: four.
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
    private long scaled;
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
        this.mostRows = (int) Math.max(1, Math.min(Integer.MAX_VALUE, logitsBytes / (4L * stride)));
    }

    /** Rows of logits that there may be at a time. */
    int mostRows() {
        return mostRows;
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
            scaled = arena.take(bytes(chunkRows));
            dNormed = arena.take(bytes(tokens));
            dGathered = arena.take(bytes(tokens));
            normWorkspace = arena.take(RmsNorm.backwardWorkspaceBytes(tokens, hidden));
        }
    }

    /** Queues the log-probs of all {@code targets} i32[tokens], after {@link #normalise}. */
    void forward(long targets) {
        forward(0, tokens, targets);
    }

    private void forward(int begin, int end, long targets) {
        for (int chunk = begin; chunk < end; chunk += chunkRows) {
            int rows = Math.min(chunkRows, end - chunk);
            logits(chunk, rows);
            TokenLogProb.forward(device, results(chunk), chunk(), targets + 4L * chunk, rows);
        }
    }

    /** Queues the log-probs of one part, and what of its gradient is known before the loss. */
    void forward(HeadPart part, long targets) {
        if (!fits(part)) {
            forward(part.begin(), part.endToken(), targets);
            return;
        }
        logits(part.begin(), part.tokens());
        TokenLogProb.forwardBackward(
                device, gradient(), results(part.begin()), chunk(), targets + 4L * part.begin(), 0, part.tokens());
    }

    /** Queues the rest of the gradient of the part that {@link #forward} has last seen. */
    void backward(HeadPart part, long dLogprob, long targets) {
        if (fits(part)) {
            scaleUnitGradient(part.begin(), part.tokens(), dLogprob + 4L * part.begin());
        } else {
            recomputeGradient(part, dLogprob, targets);
        }
    }

    private boolean fits(HeadPart part) {
        return part.tokens() <= chunkRows;
    }

    private void scaleUnitGradient(int begin, int rows, long scale) {
        long dX = dNormed + bytes(begin);
        ScaleRows.forward(device, scaled, normed + bytes(begin), scale, rows, hidden, dtype);
        products(dX, scaled, rows);
        ScaleRows.forward(device, dX, dX, scale, rows, hidden, dtype);
    }

    private void recomputeGradient(HeadPart part, long dLogprob, long targets) {
        int last = part.begin() + (part.tokens() - 1) / chunkRows * chunkRows;
        for (int begin = last; begin >= part.begin(); begin -= chunkRows) {
            int rows = Math.min(chunkRows, part.endToken() - begin);
            if (begin < last) { // those of the last chunk are still there
                logits(begin, rows);
            }
            TokenLogProb.backward(
                    device, gradient(), chunk(), targets + 4L * begin, lse + 4L * begin, dLogprob + 4L * begin, rows);
            products(dNormed + bytes(begin), normed + bytes(begin), rows);
        }
    }

    /** {@code dX = dLogits W}, and {@code dLogits^T x} is added to the gradient of W. */
    private void products(long dX, long x, int rows) {
        long weight = parameters.weight(layout.head);
        long dWeight = parameters.gradient(layout.head);
        device.matmul(
                dX,
                dLogits,
                weight,
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
                dWeight,
                dLogits,
                x,
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
     * Queues what is left when every part has been backward: adds to the gradient of the last norm, and writes the
     * gradient of all {@code rows} rows of the stream to {@code dStream}. {@code rowsByIndex} sorts the hidden rows:
     * one that predicts two tokens receives both gradients.
     */
    void backwardToStream(long dStream, int rows, Indices indices, Indices.Sorted rowsByIndex) {
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

    /** f32[tokens], valid until the next pass. */
    long logprob() {
        return logprob;
    }

    /** f32[tokens, TokenLogProb.STATISTICS], likewise. */
    long statistics() {
        return statistics;
    }

    private Results results(int token) {
        return new Results(
                logprob + 4L * token, lse + 4L * token, withStatistics ? statistics + STATISTICS_BYTES * token : 0);
    }

    private Logits chunk() {
        return new Logits(logits, vocabulary, stride, DType.F32);
    }

    private Gradient gradient() {
        return new Gradient(dLogits, stride, dtype);
    }

    private long bytes(int rows) {
        return (long) rows * hidden * dtype.bytes();
    }

    @Override
    public void close() {
        arena.close();
    }
}
