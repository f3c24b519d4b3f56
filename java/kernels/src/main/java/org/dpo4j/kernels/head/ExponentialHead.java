package org.dpo4j.kernels.head;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.MatmulShape;
import org.dpo4j.kernels.MatmulShape.Strides;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.decoder.ScaleRows;
import org.dpo4j.kernels.head.LmHeadExponentials.Exponentials;
import org.dpo4j.kernels.head.LmHeadForward.Head;
import org.dpo4j.kernels.head.LmHeadForward.HiddenRows;

/**
 * The work of an {@link LmHead} on {@link HeadPlan.Path#EXPONENTIALS}. With E and the factors of {@link
 * LmHeadExponentials}, and v = d loss / d log-prob times factor, per row: {@code dX = diag(v) (E W)} and {@code dW = E^T
 * (diag(v) x)}. E does not depend on the loss, so three products are enough, as long as E of all rows fits in one
 * chunk. If it does not, backward computes E of all chunks but the last again.
 *
 * <p>Each result is rounded as on {@link HeadPlan.Path#LOGITS}: E to bf16 once, like the unit gradient; the scaled
 * hidden states once; d_hidden twice. v is above 2^-65 of d loss / d log-prob. So where it makes a hidden state smaller
 * than bf16 can hold, the error of d_weight is below 2^-62 for each row.
 */
final class ExponentialHead {

    /**
     * Addresses of gradients.
     *
     * @param dHidden written
     * @param dWeight written by the first product if {@code isWeightOverwritten}, else accumulated
     */
    record Gradients(long dHidden, long dWeight, boolean isWeightOverwritten) {

        /** Those of the chunks after the first. */
        Gradients accumulating() {
            return new Gradients(dHidden, dWeight, false);
        }
    }

    private final Device device;
    private final HeadPlan plan;
    private final ExponentialParts parts;
    private final Head head;
    private final long workspace;

    ExponentialHead(Device device, HeadPlan plan, long weight, Transform transform, long workspace) {
        String lacks = lacks(device, plan.dtype(), transform);
        if (!lacks.isEmpty()) {
            throw new Dpo4jException("lm_head: the plan's path is EXPONENTIALS, but " + lacks + ": plan LOGITS");
        }
        this.device = device;
        this.plan = plan;
        this.parts = plan.exponentialParts();
        this.head = new Head(weight, plan.hidden(), plan.vocabulary(), plan.hidden(), transform, plan.dtype());
        this.workspace = workspace;
    }

    /** Why such a head cannot be computed on the device; empty if it can. */
    static String lacks(Device device, DType dtype, Transform transform) {
        if (!LmHeadExponentials.isSupported(transform)) {
            return "its logits have a bias or a cap";
        }
        String forward = LmHeadForward.lacks(device, dtype);
        return forward.isEmpty() ? LmHeadExponentials.lacks(device, dtype) : forward;
    }

    /** Log-probs of rows {@code [0, end)}. */
    void forward(TokenResults results, HiddenRows rows, long end) {
        for (long begin = 0; begin < end; begin += plan.chunkRows()) {
            long count = Math.min(plan.chunkRows(), end - begin);
            LmHeadForward.forward(
                    device, from(results, begin), workspace + parts.kernel(), chunk(rows, begin, count), head);
        }
    }

    /** Log-probs of all rows. Keeps the exponentials of the last chunk. */
    void forwardUnit(TokenResults results, HiddenRows rows) {
        long last = lastChunk(rows);
        forward(results, rows, last);
        exponentials(from(results, last), rows, last);
    }

    /** Gradients of all rows, after {@link #forwardUnit}. */
    void backward(Gradients gradients, HiddenRows rows, long dLogprob) {
        long last = lastChunk(rows);
        Gradients to = gradients;
        for (long begin = last; begin >= 0; begin -= plan.chunkRows()) {
            if (begin < last) {
                exponentials(new TokenResults(workspace + parts.logprob(), workspace + parts.lse()), rows, begin);
            }
            products(to, rows, begin, dLogprob);
            to = gradients.accumulating();
        }
    }

    /** Log-probs and gradients of all rows. */
    void forwardBackward(Gradients gradients, TokenResults results, HiddenRows rows, long dLogprob) {
        Gradients to = gradients;
        for (long begin = 0; begin < rows.count(); begin += plan.chunkRows()) {
            exponentials(from(results, begin), rows, begin);
            products(to, rows, begin, dLogprob);
            to = gradients.accumulating();
        }
    }

    private void exponentials(TokenResults results, HiddenRows rows, long begin) {
        Exponentials exponentials = new Exponentials(workspace, plan.stride(), workspace + parts.factors());
        HiddenRows chunk = chunk(rows, begin, count(rows, begin));
        LmHeadExponentials.forward(device, results, exponentials, workspace + parts.kernel(), chunk, head);
    }

    /** The gradients of the chunk whose exponentials are in the workspace. */
    private void products(Gradients gradients, HiddenRows rows, long begin, long dLogprob) {
        long count = count(rows, begin);
        long scales = workspace + parts.scales();
        long dHidden = gradients.dHidden() + bytes(begin);
        long scaled = workspace + parts.scaled();
        MatrixShape words = new MatrixShape(count, 1, DType.F32);
        ScaleRows.forward(device, scales, workspace + parts.factors(), dLogprob + Float.BYTES * begin, words);
        scale(scaled, rows.address() + bytes(begin), count);
        dHidden(dHidden, count);
        dWeight(gradients, scaled, count);
        scale(dHidden, dHidden, count);
    }

    private void scale(long out, long in, long rows) {
        MatrixShape shape = new MatrixShape(rows, plan.hidden(), plan.dtype());
        ScaleRows.forward(device, out, in, workspace + parts.scales(), shape);
    }

    /** {@code E W}. */
    private void dHidden(long dHidden, long rows) {
        MatmulShape shape = MatmulShape.contiguous(rows, plan.hidden(), plan.vocabulary(), plan.dtype(), plan.dtype())
                .withStrides(new Strides(plan.hidden(), plan.stride(), plan.hidden()));
        device.matmul(dHidden, workspace, head.weight(), shape, false);
    }

    /** {@code dW += E^T scaled}, or {@code dW = E^T scaled}. */
    private void dWeight(Gradients gradients, long scaled, long rows) {
        MatmulShape shape = MatmulShape.contiguous(plan.vocabulary(), plan.hidden(), rows, DType.F32, plan.dtype())
                .transposedA()
                .withStrides(new Strides(plan.hidden(), plan.stride(), plan.hidden()));
        device.matmul(gradients.dWeight(), workspace, scaled, shape, !gradients.isWeightOverwritten());
    }

    private HiddenRows chunk(HiddenRows rows, long begin, long count) {
        return new HiddenRows(
                rows.address() + bytes(begin), plan.hidden(), rows.targets() + Integer.BYTES * begin, count);
    }

    private long count(HiddenRows rows, long begin) {
        return Math.min(plan.chunkRows(), rows.count() - begin);
    }

    private long lastChunk(HiddenRows rows) {
        return Math.max(0, (rows.count() - 1) / plan.chunkRows() * plan.chunkRows());
    }

    private long bytes(long rows) {
        return rows * plan.hidden() * plan.dtype().bytes();
    }

    private static TokenResults from(TokenResults results, long row) {
        if (results.statistics() != 0) {
            throw new Dpo4jException("lm_head: statistics are given, but the plan's path EXPONENTIALS does not compute"
                    + " them: plan LOGITS");
        }
        return new TokenResults(results.logprob() + Float.BYTES * row, results.lse() + Float.BYTES * row);
    }
}
