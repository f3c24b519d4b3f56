package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Results;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.decoder.CopyRows;
import org.dpo4j.kernels.decoder.MatrixShape;
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
 * in parts, each laid anew. Where all logits of a part fit, three products do; where they do not, four. The gradients of
 * matrix and norm are sums over rows, part after part.
 *
 * <p>Every pass stores logits; none runs {@link org.dpo4j.kernels.head.LmHeadForward}. Training needs the logits for
 * their gradient. References and evaluations are compared with training, and the first step's rewards are exactly 0
 * because both sum in one order; {@code LmHeadForward} sums in another.
 */
final class CompletionHead implements AutoCloseable {
    /**
     * Of passes forward alone, 256 MiB: 512 rows of a vocabulary of 128 Ki. Each chunk reads the matrix once. On an H200 that takes as long as
     * to multiply 180 rows by it: with 128 rows, in 64 MiB, the pass would wait for memory.
     */
    static final long LOGITS_BYTES = 256L << 20;

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

    private int rows;
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

    /** Makes room for that many rows; every pass, and every part of one, begins so. */
    void lay(int rows) {
        size(rows);
        arena.lay(this::lay);
        head = new LmHead(device, plan, parameters.weight(layout.head), Transform.NONE, headWorkspace);
    }

    /** What {@link #lay} takes of the device; the next pass begins with it as ever. */
    long passBytes(int rows) {
        size(rows);
        return arena.measure(this::lay);
    }

    private void size(int rows) {
        this.rows = rows;
        plan = largest.withChunkRows(Math.min(mostRows(), Math.max(rows, 1)));
    }

    private void lay() {
        gathered = arena.take(bytes(rows));
        normed = arena.take(bytes(rows));
        rstd = arena.take(4L * rows);
        logprob = arena.take(4L * rows);
        lse = arena.take(4L * rows);
        statistics = arena.take(withStatistics ? STATISTICS_BYTES * rows : 0);
        headWorkspace = arena.take(plan.workspaceBytes());
        if (training) {
            dNormed = arena.take(bytes(rows));
            dGathered = arena.take(bytes(rows));
            normWorkspace = arena.take(RmsNorm.backwardWorkspaceBytes(rows, hidden));
        }
    }

    /** Start of the memory: with the number of rows, it says where everything lies. */
    long memory() {
        return gathered;
    }

    /** Queues the norm of rows {@code hiddenRows} i32[rows] of {@code stream} [.., hidden]. */
    void normalise(long stream, long hiddenRows) {
        CopyRows.forward(
                device,
                new CopyRows.To(gathered, 0, hidden),
                new CopyRows.From(stream, hiddenRows, hidden),
                new MatrixShape(rows, hidden, dtype));
        RmsNorm.forward(
                device,
                new RmsNorm.Results(normed, rstd),
                new RmsNorm.Inputs(gathered, parameters.weight(layout.norm)),
                new MatrixShape(rows, hidden, dtype),
                epsilon);
    }

    private LmHead head() {
        if (head == null) {
            throw new IllegalStateException("normalise comes first");
        }
        return head;
    }

    /** Queues the log-probs of {@code targets} i32[rows], after {@link #normalise}. */
    void forward(long targets) {
        head().forward(results(), rows(targets));
    }

    /** Queues the same, and what of the gradient is known before the loss. */
    void forwardUnit(long targets) {
        head().forwardUnit(gradients(), results(), rows(targets));
    }

    /** Queues the rest of the gradient of what {@link #forwardUnit} has last seen; {@code dLogprob} is f32[rows]. */
    void backward(long dLogprob, long targets) {
        head().backward(gradients(), rows(targets), lse, dLogprob);
    }

    private Rows rows(long targets) {
        return new Rows(normed, targets, rows);
    }

    private Gradients gradients() {
        return new Gradients(dNormed, parameters.gradient(layout.head), 0);
    }

    private Results results() {
        return new Results(logprob, lse, statistics());
    }

    /**
     * Queues the logits f32 of {@code count} rows, {@link #logitsStride} apart, after {@link #normalise}; at most {@link
     * #chunkRows}.
     */
    long logits(int begin, int count) {
        return head().logits(normed + bytes(begin), count);
    }

    int logitsStride() {
        return Math.toIntExact(plan.stride());
    }

    int chunkRows() {
        return (int) plan.chunkRows();
    }

    /**
     * Queues what is left after {@link #backward}: adds to the gradients of the last norm and of the stream. {@code
     * rowsByIndex} sorts the hidden rows: one that predicts two tokens receives both gradients.
     */
    void backwardToStream(long dStream, RowsByIndex rowsByIndex) {
        RmsNorm.backward(
                device,
                new RmsNorm.Gradients(dNormed, 0, dGathered, parameters.gradient(layout.norm)),
                new RmsNorm.Inputs(gathered, parameters.weight(layout.norm)),
                rstd,
                normWorkspace,
                new MatrixShape(rows, hidden, dtype));
        rowsByIndex.sum(device, dStream, dGathered, hidden, dtype, dtype);
    }

    /** f32[rows], valid until {@link #lay}. */
    long logprob() {
        return logprob;
    }

    /** f32[rows, TokenLogProb.STATISTICS], likewise; 0 where not asked for. */
    long statistics() {
        return withStatistics ? statistics : 0;
    }

    private long bytes(int rows) {
        return (long) rows * hidden * dtype.bytes();
    }

    @Override
    public void close() {
        arena.close();
    }
}
