package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.decoder.CopyRows;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.head.HeadPlan;
import org.dpo4j.kernels.head.HeadPlan.Use;
import org.dpo4j.kernels.head.LmHead;
import org.dpo4j.model.family.ParameterKind;

/**
 * Last norm and {@link LmHead}, for the rows that predict a completion token and for no other: {@code logprob = log
 * softmax(norm(x) W^T)[target]}. Its caller has the memory.
 *
 * <p>Logits exist for a chunk of rows at a time, f32, within a given number of bytes. In training three matrix products
 * do for rows whose logits all fit; where they do not, it takes four. The gradients of matrix and norm are sums over rows.
 *
 * <p>Every pass stores logits; none runs {@link org.dpo4j.kernels.head.LmHeadForward}. Training needs the logits for
 * their gradient. References and evaluations are compared with training, and the first step's rewards are exactly 0
 * because both sum in one order; {@code LmHeadForward} sums in another.
 */
final class CompletionHead {
    /**
     * For scoring, 256 MiB: 512 rows of a vocabulary of 128 Ki. Each chunk reads the matrix once. On an H200 that takes as
     * long as to multiply 180 rows by it: with 128 rows, in 64 MiB, the pass would wait for memory.
     */
    static final long SCORING_LOGITS_BYTES = 256L << 20;

    private final Device device;
    private final DType dtype;
    private final Parameters parameters;
    private final Norm norm;
    private final int hiddenSize;
    private final boolean hasStatistics;
    private final HeadPlan maxPlan;

    /**
     * @param use forward alone, or with gradients
     * @param logitsBytes maximum memory of logits
     */
    CompletionHead(Model model, Use use, boolean hasStatistics, long logitsBytes) {
        this.device = model.device();
        this.parameters = model.parameters();
        this.dtype = parameters.dtype();
        this.norm = new Norm(
                parameters,
                parameters.layout().parameter(ParameterKind.LAST_NORM),
                model.architecture().norm());
        this.hiddenSize = model.architecture().hiddenSize();
        this.hasStatistics = hasStatistics;
        HeadPlan row = new HeadPlan(use, model.architecture().vocabSize(), hiddenSize, dtype, 1);
        long rows = Math.max(1, Math.min(Integer.MAX_VALUE, logitsBytes / (Float.BYTES * row.stride())));
        this.maxPlan = row.withChunkRows(rows);
    }

    /** Rows of logits that there may be at a time. */
    int maxRows() {
        return (int) maxPlan.chunkRows();
    }

    /**
     * What a forward pass writes.
     *
     * @param gathered [rows, hiddenSize], hidden states of the rows, before the norm
     * @param normed [rows, hiddenSize]
     * @param logprob f32[rows]
     * @param lse f32[rows]
     * @param statistics f32[rows, TokenLogProb.STATISTICS]; 0 where not asked for
     * @param workspace of {@link LmHead}, logits of a chunk among it
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

        private LmHead.HeadRows rows(long targets) {
            return new LmHead.HeadRows(normed, targets, rows);
        }

        /** Rows of logits that {@link #logits} may ask for at a time. */
        int chunkRows() {
            return (int) plan.chunkRows();
        }

        /** Elements between two rows of logits. */
        int logitsStride() {
            return Math.toIntExact(plan.stride());
        }
    }

    /**
     * What a backward pass works in.
     *
     * @param dNormed [rows, hiddenSize]
     * @param dGathered [rows, hiddenSize]
     */
    record Gradients(long dNormed, long dGathered, long normWorkspace) {}

    /** {@code gathered} comes first. */
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

    /** Queues the norm of rows {@code hiddenRows} i32[rows] of {@code hidden} [.., hiddenSize]; first of a pass. */
    void normalise(Activations at, long hidden, long hiddenRows) {
        CopyRows.forward(
                device,
                new CopyRows.To(at.gathered, 0, hiddenSize),
                new CopyRows.From(hidden, hiddenRows, hiddenSize),
                new MatrixShape(at.rows, hiddenSize, dtype));
        norm.forward(at.normed, at.norm, at.gathered, at.rows);
    }

    private LmHead head(Activations at) {
        return new LmHead(device, at.plan, parameters.weight(parameters.layout().head()), Transform.NONE, at.workspace);
    }

    /** Queues the log-probs of {@code targets} i32[rows]. */
    void forward(Activations at, long targets) {
        head(at).forward(at.results(), at.rows(targets));
    }

    /** Queues the same, and the part of the gradient that does not depend on the loss; returns what {@link #backward} takes. */
    LmHead forwardUnit(Activations at, Gradients gradients, long targets) {
        LmHead head = head(at);
        head.forwardUnit(matrixGradients(gradients), at.results(), at.rows(targets));
        return head;
    }

    /**
     * Queues the rest of the gradient: adds to those of matrix, norm and hidden states.
     *
     * @param head of {@link #forwardUnit} with the same activations and targets
     * @param dLogprob f32[rows]
     * @param dHidden the gradient of {@code hidden}, added to
     * @param rowsByIndex sorts the hidden rows: one that predicts two tokens receives both gradients
     */
    void backward(
            LmHead head,
            Activations at,
            Gradients gradients,
            long targets,
            long dLogprob,
            long dHidden,
            RowsByIndex rowsByIndex) {
        head.backward(matrixGradients(gradients), at.rows(targets), at.lse, dLogprob);
        norm.backward(
                gradients.dGathered, gradients.dNormed, 0, at.gathered, at.norm, gradients.normWorkspace, at.rows);
        rowsByIndex.sum(device, dHidden, gradients.dGathered, hiddenSize, dtype, dtype);
    }

    private LmHead.HeadGradients matrixGradients(Gradients gradients) {
        return new LmHead.HeadGradients(
                gradients.dNormed, parameters.gradient(parameters.layout().head()), 0);
    }

    /** Queues the logits f32 of {@code count} rows, at most {@link Activations#chunkRows}; returns their address. */
    long logits(Activations at, int begin, int count) {
        return head(at).logits(at.normed + (long) begin * hiddenSize * dtype.bytes(), count);
    }
}
