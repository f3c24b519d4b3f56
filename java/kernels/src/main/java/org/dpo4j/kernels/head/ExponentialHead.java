package org.dpo4j.kernels.head;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.MatmulShape;
import org.dpo4j.kernels.MatmulShape.Strides;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.decoder.ColumnSum;
import org.dpo4j.kernels.decoder.ColumnSum.Matrix;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.decoder.ScaleRows;
import org.dpo4j.kernels.head.HeadPlan.Use;
import org.dpo4j.kernels.head.LmHeadExponentials.Exponentials;
import org.dpo4j.kernels.head.LmHeadForward.Head;
import org.dpo4j.kernels.head.LmHeadForward.HiddenRows;

/**
 * The work of an {@link LmHead} on {@link HeadPlan.Path#EXPONENTIALS}. With E and the factors of {@link
 * LmHeadExponentials}, and v = d loss / d log-prob times factor, per row: {@code dX = diag(v) (E W)}, {@code dW = E^T
 * (diag(v) x)} and {@code dBias = E^T v}. E does not depend on the loss, so three products are enough, as long as E of all
 * rows fits in one chunk. If it does not, backward computes E of all chunks but the last again. With a frozen weight two
 * products are enough for any number of chunks: forward computes {@code E W}, and backward scales it.
 *
 * <p>Each result is rounded as on {@link HeadPlan.Path#LOGITS}: E to bf16 once, like the unit gradient; the scaled
 * hidden states once; d_hidden twice. With a frozen weight and several chunks d_hidden is rounded three times, because the
 * factors of a chunk are known only until the next. v is above 2^-65 of d loss / d log-prob. So where it makes a hidden state smaller
 * than bf16 can hold, the error of d_weight is below 2^-62 for each row.
 */
final class ExponentialHead {

    /**
     * Addresses of gradients.
     *
     * @param dHidden written
     * @param dWeight written by the first product if {@code isWeightOverwritten}, else accumulated; 0 if it is frozen
     * @param dBias accumulated, or 0
     */
    record Gradients(long dHidden, long dWeight, long dBias, boolean isWeightOverwritten) {

        /** Those of the chunks after the first. */
        Gradients accumulating() {
            return new Gradients(dHidden, dWeight, dBias, false);
        }
    }

    private final Device device;
    private final HeadPlan plan;
    private final ExponentialParts parts;
    private final Head head;
    private final long workspace;

    ExponentialHead(Device device, HeadPlan plan, long weight, Transform transform, long workspace) {
        String lacks = HeadPlan.lacksExponentials(device, plan.dtype());
        if (!lacks.isEmpty()) {
            throw new Dpo4jException("lm_head: the plan's path is EXPONENTIALS, but " + lacks + ": plan LOGITS");
        }
        this.device = device;
        this.plan = plan;
        this.parts = plan.exponentialParts();
        this.head = new Head(weight, plan.hidden(), plan.vocabulary(), plan.hidden(), transform, plan.dtype());
        this.workspace = workspace;
    }

    /** Log-probs of rows {@code [0, end)}. */
    void forward(TokenResults results, HiddenRows rows, long end) {
        for (long begin = 0; begin < end; begin += plan.chunkRows()) {
            long count = Math.min(plan.chunkRows(), end - begin);
            LmHeadForward.forward(
                    device, from(results, begin), workspace + parts.kernel(), chunk(rows, begin, count), head);
        }
    }

    /** Log-probs of all rows. Keeps the exponentials of the last chunk, or, with a frozen weight, unit gradients of hidden rows. */
    void forwardUnit(Gradients gradients, TokenResults results, HiddenRows rows) {
        if (plan.use() == Use.FROZEN) {
            for (long begin = 0; begin < rows.count(); begin += plan.chunkRows()) {
                unitGradient(gradients, results, rows, begin);
            }
            return;
        }
        long last = lastChunk(rows);
        forward(results, rows, last);
        exponentials(from(results, last), rows, last);
    }

    /** {@code E W} if the factors are kept until {@link #backward}, else {@code diag(factors) E W}. */
    private void unitGradient(Gradients gradients, TokenResults results, HiddenRows rows, long begin) {
        long count = count(rows, begin);
        long dHidden = gradients.dHidden() + bytes(begin);
        exponentials(from(results, begin), rows, begin);
        dHidden(dHidden, count);
        if (!isOneChunk(rows)) {
            scale(dHidden, dHidden, workspace + parts.factors(), count);
        }
    }

    /** Gradients of all rows, after {@link #forwardUnit}. */
    void backward(Gradients gradients, HiddenRows rows, long dLogprob) {
        if (plan.use() == Use.FROZEN) {
            long scales = isOneChunk(rows) ? scales(dLogprob, rows.count()) : dLogprob;
            scale(gradients.dHidden(), gradients.dHidden(), scales, rows.count());
            return;
        }
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
        long scales = scales(dLogprob + Float.BYTES * begin, count);
        long dHidden = gradients.dHidden() + bytes(begin);
        dHidden(dHidden, count);
        if (plan.use() == Use.TRAINING) {
            long scaled = workspace + parts.scaled();
            scale(scaled, rows.address() + bytes(begin), scales, count);
            dWeight(gradients, scaled, count);
        }
        if (gradients.dBias() != 0) {
            Matrix exponentials = new Matrix(workspace, count, plan.vocabulary(), plan.stride(), plan.dtype());
            ColumnSum.forward(device, gradients.dBias(), exponentials, scales);
        }
        scale(dHidden, dHidden, scales, count);
    }

    /** Queues v of the chunk whose factors are in the workspace. Returns its address. */
    private long scales(long dLogprob, long rows) {
        long scales = workspace + parts.scales();
        ScaleRows.forward(device, scales, workspace + parts.factors(), dLogprob, new MatrixShape(rows, 1, DType.F32));
        return scales;
    }

    private void scale(long out, long in, long scales, long rows) {
        ScaleRows.forward(device, out, in, scales, new MatrixShape(rows, plan.hidden(), plan.dtype()));
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

    private boolean isOneChunk(HiddenRows rows) {
        return rows.count() <= plan.chunkRows();
    }

    private long lastChunk(HiddenRows rows) {
        return Math.max(0, (rows.count() - 1) / plan.chunkRows() * plan.chunkRows());
    }

    private long bytes(long rows) {
        return rows * plan.hidden() * plan.dtype().bytes();
    }

    private static TokenResults from(TokenResults results, long row) {
        long statistics = results.statistics();
        return new TokenResults(
                results.logprob() + Float.BYTES * row,
                results.lse() + Float.BYTES * row,
                statistics == 0 ? 0 : statistics + Float.BYTES * TokenLogProb.STATISTICS * row);
    }
}
