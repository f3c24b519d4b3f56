package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Results;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.decoder.CopyRows;
import org.dpo4j.kernels.decoder.Embedding;
import org.dpo4j.kernels.decoder.RmsNorm;
import org.dpo4j.kernels.head.HeadPlan;
import org.dpo4j.kernels.head.HeadPlan.Use;
import org.dpo4j.kernels.head.LmHead;
import org.dpo4j.kernels.head.LmHead.Gradients;
import org.dpo4j.kernels.head.LmHead.Rows;
import org.jspecify.annotations.Nullable;

/**
 * Last norm and {@link LmHead}, for the rows that predict a completion token and for no other: {@code logprob = log
 * softmax(norm(x) W^T)[target]}.
 *
 * <p>Logits exist for a chunk of rows at a time, f32, within a given number of bytes. A training pass takes the batch
 * in parts. Where all logits of a part fit, three products do; where they do not, four.
 *
 * <p>Every pass takes the path {@link org.dpo4j.kernels.head.HeadPath#CHUNKS}. Training needs the logits, whose gradient
 * it makes; what it computes is compared with references and evaluations, and the first step's rewards are exactly 0
 * because those went the same way. On a faster path of their own they would be off by its rounding.
 */
final class CompletionHead implements AutoCloseable {
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
    private final float epsilon;
    private final HeadPlan largest;

    private int tokens;
    private @Nullable LmHead head;
    private HeadPlan plan;
    private long gathered;
    private long rstd;
    private long normed;
    private long logprob;
    private long lse;
    private long statistics;
    private long headWorkspace;
    private long dNormed;
    private long dGathered;
    private long normWorkspace;

    CompletionHead(Model model, boolean training, boolean withStatistics, long logitsBytes) {
        this.device = model.device();
        this.parameters = model.parameters();
        this.dtype = parameters.dtype();
        this.layout = parameters.layout();
        this.arena = new Arena(device);
        this.training = training;
        this.withStatistics = withStatistics;
        this.hidden = model.config().hiddenSize();
        this.epsilon = (float) model.config().rmsNormEps();
        Use use = training ? Use.TRAINING : Use.FORWARD;
        HeadPlan row = new HeadPlan(use, model.config().vocabSize(), hidden, dtype, 1);
        long rows = Math.max(1, Math.min(Integer.MAX_VALUE, logitsBytes / (Float.BYTES * row.stride())));
        this.largest = row.withChunkRows(rows);
        this.plan = largest;
    }

    /** Rows of logits that there may be at a time. */
    int mostRows() {
        return (int) largest.chunkRows();
    }

    /** Queues the norm of rows {@code hiddenRows} i32[tokens] of {@code stream} [.., hidden]; every pass begins so. */
    void normalise(long stream, long hiddenRows, int tokens) {
        size(tokens);
        arena.lay(this::lay);
        head = new LmHead(device, plan, parameters.weight(layout.head), Transform.NONE, headWorkspace);
        CopyRows.forward(device, gathered, stream, 0, hiddenRows, tokens, hidden, hidden, hidden, dtype);
        RmsNorm.forward(device, normed, rstd, gathered, parameters.weight(layout.norm), tokens, hidden, epsilon, dtype);
    }

    /** What a pass over so many tokens takes of the device; the next one begins with {@link #normalise} as ever. */
    long passBytes(int tokens) {
        size(tokens);
        return arena.measure(this::lay);
    }

    private void size(int tokens) {
        this.tokens = tokens;
        plan = largest.withChunkRows(Math.min(mostRows(), Math.max(tokens, 1)));
    }

    private void lay() {
        gathered = arena.take(bytes(tokens));
        normed = arena.take(bytes(tokens));
        rstd = arena.take(4L * tokens);
        logprob = arena.take(4L * tokens);
        lse = arena.take(4L * tokens);
        statistics = arena.take(withStatistics ? STATISTICS_BYTES * tokens : 0);
        headWorkspace = arena.take(plan.workspaceBytes());
        if (training) {
            dNormed = arena.take(bytes(tokens));
            dGathered = arena.take(bytes(tokens));
            normWorkspace = arena.take(RmsNorm.backwardWorkspaceBytes(tokens, hidden));
        }
    }

    private LmHead head() {
        if (head == null) {
            throw new IllegalStateException("normalise comes first");
        }
        return head;
    }

    /** Queues the log-probs of all {@code targets} i32[tokens], after {@link #normalise}. */
    void forward(long targets) {
        head().forward(results(0), rows(0, tokens, targets));
    }

    /** Queues the log-probs of one part, and what of its gradient is known before the loss. */
    void forward(HeadPart part, long targets) {
        head().forwardUnit(gradients(part), results(part.begin()), rows(part, targets));
    }

    /** Queues the rest of the gradient of the part that {@link #forward} has last seen. */
    void backward(HeadPart part, long dLogprob, long targets) {
        long begin = 4L * part.begin();
        head().backward(gradients(part), rows(part, targets), lse + begin, dLogprob + begin);
    }

    private Rows rows(HeadPart part, long targets) {
        return rows(part.begin(), part.tokens(), targets);
    }

    private Rows rows(int begin, int count, long targets) {
        return new Rows(normed + bytes(begin), targets + 4L * begin, count);
    }

    private Gradients gradients(HeadPart part) {
        return new Gradients(dNormed + bytes(part.begin()), parameters.gradient(layout.head), 0);
    }

    private Results results(int token) {
        return new Results(
                logprob + 4L * token, lse + 4L * token, withStatistics ? statistics + STATISTICS_BYTES * token : 0);
    }

    /**
     * Queues the logits f32 of {@code rows} rows, {@link #logitsStride} apart, after {@link #normalise}; at most {@link
     * #chunkRows}.
     */
    long logits(int begin, int rows) {
        return head().logits(normed + bytes(begin), rows);
    }

    int logitsStride() {
        return Math.toIntExact(plan.stride());
    }

    int chunkRows() {
        return (int) plan.chunkRows();
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

    private long bytes(int rows) {
        return (long) rows * hidden * dtype.bytes();
    }

    @Override
    public void close() {
        arena.close();
    }
}
