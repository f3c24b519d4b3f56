package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.decoder.CopyRows;
import org.dpo4j.kernels.decoder.Embedding;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.head.HeadPlan;
import org.dpo4j.kernels.head.HeadPlan.Use;
import org.dpo4j.kernels.head.LmHead;
import org.dpo4j.model.family.Architecture;
import org.dpo4j.model.family.ParameterKind;

/**
 * Last norm and {@link LmHead} for the rows that predict a completion token, and no others: {@code logprob = log
 * softmax(norm(x) W^T)[target]}. The caller owns the memory.
 *
 * <p>The rows are computed in chunks, whose logits (or exponentials of the softmax) fit in a given number of bytes. Training needs
 * three matrix products if all rows fit in one chunk. Otherwise it needs a fourth, which computes the logits again in backward.
 *
 * <p>{@link HeadPlan#on} chooses the {@link HeadPlan.Path} by the device, the dtype and the hidden size. So training, reference and
 * evaluation take the same path. Another path would sum in another order, and rewards at step 0 would not be exactly 0. Generation
 * samples from logits, so it always stores them.
 */
final class CompletionHead {
    /**
     * Memory of logits for scoring, 256 MiB: 512 rows with a vocabulary of 128 Ki. Each chunk reads the matrix once. On
     * an H200 this read takes as long as the product of 180 rows, so chunks of 128 rows (64 MiB) would be limited by
     * memory bandwidth.
     */
    static final long SCORING_LOGITS_BYTES = 256L << 20;

    private final Device device;
    private final DType dtype;
    private final Weights weights;
    private final Norm norm;
    private final int hiddenSize;
    private final boolean hasStatistics;
    private HeadPlan maxPlan;
    private final Transform transform;

    /**
     * @param use which gradients are computed
     * @param logitsBytes maximum memory of logits
     */
    CompletionHead(Model model, Use use, boolean hasStatistics, long logitsBytes) {
        this(model, use, hasStatistics, logitsBytes, HeadPlan::on);
    }

    /** The head of a pass that reads {@link #logits}. */
    static CompletionHead ofLogits(Model model) {
        return new CompletionHead(model, Use.FORWARD, false, SCORING_LOGITS_BYTES, HeadPlan::ofLogits);
    }

    /** Plans one row. */
    private interface Planner {
        HeadPlan plan(Device device, Use use, long vocabulary, long hidden, DType dtype);
    }

    private CompletionHead(Model model, Use use, boolean hasStatistics, long logitsBytes, Planner planner) {
        this.device = model.device();
        this.weights = model.weights();
        this.dtype = weights.dtype();
        this.norm = new Norm(
                weights, ParameterKind.LAST_NORM, 0, model.architecture().norm());
        this.hiddenSize = weights.layout().sizes().hiddenSize();
        this.hasStatistics = hasStatistics;
        Architecture.Scales scales = model.architecture().scales();
        this.transform = new Transform(0, (float) scales.logits(), (float) scales.logitsCap());
        HeadPlan row = planner.plan(
                device,
                use == Use.TRAINING && weights.isFrozen() ? Use.FROZEN : use,
                model.architecture().vocabSize(),
                hiddenSize,
                dtype);
        this.maxPlan = row.withChunkRows(rows(row, logitsBytes));
    }

    /** The number of rows whose logits fit in so many bytes; of rows whose workspace fits, if log-probs are computed without logits. */
    private static long rows(HeadPlan row, long bytes) {
        if (row.path() == HeadPlan.Path.EXPONENTIALS && row.use() == Use.FORWARD) {
            return row.rowsWithin(bytes);
        }
        return Math.max(1, Math.min(Integer.MAX_VALUE, bytes / (Float.BYTES * row.stride())));
    }

    /** What is kept in memory between forward and backward. */
    HeadPlan.Path path() {
        return maxPlan.path();
    }

    /** The transform of the logits, with the factor of the architecture. */
    Transform transform() {
        return transform;
    }

    /** Maximum rows of logits in memory. */
    int maxRows() {
        return (int) maxPlan.chunkRows();
    }

    /** Changes them, for later passes. */
    void setMaxRows(int rows) {
        maxPlan = maxPlan.withChunkRows(rows);
    }

    /** The rows whose logits, with their gradients, need at most so many bytes; whole tiles of products. */
    int rowsWithin(long bytes) {
        return (int) maxPlan.rowsWithin(bytes);
    }

    /**
     * Results of a forward pass.
     *
     * @param gathered [rows, hiddenSize], hidden states of the rows, before the norm
     * @param normed [rows, hiddenSize]
     * @param logprob f32[rows]
     * @param lse f32[rows]
     * @param statistics f32[rows, TokenLogProb.STATISTICS]; 0 if they are not computed
     * @param workspace memory of {@link LmHead}, which includes the logits of a chunk
     */
    record Activations(
            int rows,
            HeadPlan plan,
            long gathered,
            long normed,
            Norm.Saved norm,
            long logprob,
            long lse,
            long statistics,
            long workspace) {

        private TokenResults results() {
            return new TokenResults(logprob, lse, statistics);
        }

        LmHead.HeadRows rows(long targets) {
            return new LmHead.HeadRows(normed, targets, rows);
        }

        /** Maximum rows of a call of {@link #logits}. */
        int chunkRows() {
            return (int) plan.chunkRows();
        }

        /** Elements between two rows of logits. */
        int logitsStride() {
            return Math.toIntExact(plan.stride());
        }
    }

    /**
     * Memory of a backward pass.
     *
     * @param dNormed [rows, hiddenSize]
     * @param dGathered [rows, hiddenSize]
     */
    record Gradients(long dNormed, long dGathered, long normWorkspace) {}

    /** Places {@code gathered} first. */
    Activations placeActivations(Layout layout, int rows) {
        HeadPlan plan = maxPlan.withChunkRows(Math.min(maxRows(), Math.max(rows, 1)));
        return new Activations(
                rows,
                plan,
                layout.matrix(rows, hiddenSize, dtype),
                layout.matrix(rows, hiddenSize, dtype),
                norm.placeSaved(layout, rows),
                layout.words(rows),
                layout.words(rows),
                hasStatistics ? layout.words((long) TokenLogProb.STATISTICS * rows) : 0,
                layout.allocate(plan.workspaceBytes()));
    }

    Gradients placeGradients(Layout layout, int rows) {
        return new Gradients(
                layout.matrix(rows, hiddenSize, dtype),
                layout.matrix(rows, hiddenSize, dtype),
                norm.placeWorkspace(layout, rows));
    }

    /**
     * Gathers rows {@code hiddenRows} i32[rows] of {@code hidden} [.., hiddenSize] and normalises them. Begins a pass.
     */
    void normalise(Activations at, long hidden, long hiddenRows) {
        CopyRows.forward(
                device,
                new CopyRows.To(at.gathered, 0, hiddenSize),
                new CopyRows.From(hidden, hiddenRows, hiddenSize),
                new MatrixShape(at.rows, hiddenSize, dtype));
        norm.forward(at.normed, at.norm, at.gathered, at.rows);
    }

    private LmHead head(Activations at) {
        return new LmHead(device, at.plan, weights.weight(weights.layout().head()), transform, at.workspace);
    }

    /** Queues the log-probs of {@code targets} i32[rows]. */
    void forward(Activations at, long targets) {
        head(at).forward(at.results(), at.rows(targets));
    }

    /** As {@link #forward}, and queues the unit gradient. Returns the head, for its backward. */
    LmHead forwardUnit(LmHead.HeadGradients to, Activations at, long targets) {
        LmHead head = head(at);
        head.forwardUnit(to, at.results(), at.rows(targets));
        return head;
    }

    /**
     * Queues the rest of the gradient, after {@link LmHead#backward} with {@link #matrixGradients}. Adds to the gradients of the norm
     * and of the hidden states.
     *
     * @param dHidden the gradient of {@code hidden}
     * @param rowsByIndex the rows sorted by hidden row: a hidden row that predicts two tokens receives the sum of both
     *     gradients
     */
    void backward(Activations at, Gradients gradients, long dHidden, RowsByIndex rowsByIndex) {
        norm.backward(
                gradients.dGathered, gradients.dNormed, 0, at.gathered, at.norm, gradients.normWorkspace, at.rows);
        rowsByIndex.sum(device, new Embedding.Table(dHidden, hiddenSize, dtype), gradients.dGathered, dtype);
    }

    /** Whether the matrix is trained, and the next pass overwrites its gradient. */
    boolean isMatrixGradientEmpty() {
        return !weights.isFrozen() && weights.gradients().areEmpty();
    }

    /** The gradients that {@link LmHead} computes. {@code isFirst}: whether that of the matrix is overwritten, not added to. */
    LmHead.HeadGradients matrixGradients(Gradients gradients, boolean isFirst) {
        LmHead.HeadGradients to = new LmHead.HeadGradients(
                gradients.dNormed, weights.gradient(weights.layout().head()));
        return isFirst ? to.overwritingWeight() : to;
    }

    /**
     * Queues the f32 logits of {@code count} rows, at most {@link Activations#chunkRows}, and returns their address.
     * The {@link #transform} is not yet applied.
     */
    long logits(Activations at, int begin, int count) {
        return head(at).logits(at.normed + (long) begin * hiddenSize * dtype.bytes(), count);
    }
}
