package org.dpo4j.kernels.head;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.MatmulShape;
import org.dpo4j.kernels.MatmulShape.Strides;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Logits;
import org.dpo4j.kernels.TokenLogProb.LogitsGradient;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.decoder.ColumnSum;
import org.dpo4j.kernels.decoder.ColumnSum.Matrix;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.decoder.ScaleRows;
import org.dpo4j.kernels.head.HeadPlan.Path;
import org.dpo4j.kernels.head.HeadPlan.Use;
import org.dpo4j.kernels.head.LmHeadForward.HiddenRows;
import org.jspecify.annotations.Nullable;

/**
 * Log-probs of tokens, {@code log softmax(z)[target]} with z a {@link Transform} of the logits {@code x W^T}, from
 * hidden states x and the head's weight W; and the gradients of x, W and the bias. Logits exist for one chunk of rows
 * at a time, always in fp32, so log-prob and lse have fp32 accumulators.
 *
 * <p>A preference loss needs all log-probs before it knows their gradients. So there are two calls: {@link
 * #forwardUnit} computes log-probs and the unit gradient of the logits (that of a loss with d loss / d log-prob = 1) in
 * one read of the logits. {@link #backward} multiplies it by d loss / d log-prob, one factor per row. That takes three
 * matrix products, or two if the weight is frozen. If the weight is not frozen and the rows are more than one chunk,
 * backward computes their logits again: a fourth product ({@link HeadPlan#products}). If d loss / d log-prob is known
 * in advance, {@link #forwardBackward} does all in one call and never needs a fourth product. With {@link
 * HeadPlan.Path#EXPONENTIALS} the kernel of the forward product stores no logits. It stores exponentials of the softmax,
 * which the two products of backward read.
 *
 * <p>Bits: log-prob, lse and statistics of a row depend neither on other rows, nor on the chunks, nor on which call
 * computes them. The gradient of a hidden state does not depend on other rows, or on the chunks as long as the rows fit
 * in one; three and four products round it differently. The gradients of weight and bias are sums over rows, added
 * chunk by chunk in fp32, so their bits depend on the chunks.
 *
 * <p>Addresses are device memory that the caller owns; 0 is null. Alignment is 16 bytes, and 4 bytes for targets and
 * arrays with one f32 per row. Nothing is allocated, and no call waits for the device. The workspace holds state
 * between {@link #forwardUnit} and {@link #backward}. Only one thread at a time may use an object.
 */
public final class LmHead {

    /**
     * The rows of a call.
     *
     * @param hidden hidden states, dtype[count, hidden]
     * @param targets i32[count]. A row with a negative target is masked: its log-prob and gradient are 0. It still
     *     takes part in the matrix products
     * @param count number of rows
     */
    public record HeadRows(long hidden, long targets, long count) {}

    /**
     * Addresses of gradients.
     *
     * @param dHidden written, dtype[count, hidden]
     * @param dWeight accumulated, f32[vocabulary, hidden]; 0 if the weight is frozen
     * @param dBias accumulated, f32[vocabulary]; 0 if it is not needed
     * @param isWeightOverwritten whether dWeight is written instead: a call's first product overwrites it, and the others add to it.
     *     That saves zeroing dWeight and reading the zeros, 8 bytes for each of its elements
     */
    public record HeadGradients(long dHidden, long dWeight, long dBias, boolean isWeightOverwritten) {

        /** With an accumulated weight. */
        public HeadGradients(long dHidden, long dWeight, long dBias) {
            this(dHidden, dWeight, dBias, false);
        }

        /** Without a bias. */
        public HeadGradients(long dHidden, long dWeight) {
            this(dHidden, dWeight, 0);
        }

        /** Of hidden states only: the weight is frozen. */
        public static HeadGradients hiddenOnly(long dHidden) {
            return new HeadGradients(dHidden, 0, 0);
        }

        /** The same, but dWeight is written. */
        public HeadGradients overwritingWeight() {
            return new HeadGradients(dHidden, dWeight, dBias, true);
        }

        /** Those of the chunks after a call's first. */
        private HeadGradients accumulating() {
            return new HeadGradients(dHidden, dWeight, dBias, false);
        }
    }

    private final Device device;
    private final HeadPlan plan;
    private final long weight;
    private final Transform transform;
    private final long workspace;
    private final @Nullable ExponentialHead exponentials;
    private @Nullable HeadRows unit;

    /**
     * Makes a head from a weight on a device.
     *
     * @param weight dtype[vocabulary, hidden]
     * @param transform of the logits
     * @param workspace {@link HeadPlan#workspaceBytes} bytes that only this object uses
     * @throws Dpo4jException if the device does not support the plan's dtype
     */
    public LmHead(Device device, HeadPlan plan, long weight, Transform transform, long workspace) {
        if (!device.supports(plan.dtype())) {
            throw new Dpo4jException(
                    "lm_head: dtype is " + plan.dtype() + ", which " + device.name() + " does not support: use F32");
        }
        this.device = device;
        this.plan = plan;
        this.weight = weight;
        this.transform = transform;
        this.workspace = workspace;
        this.exponentials = plan.path() == Path.EXPONENTIALS
                ? new ExponentialHead(device, plan, weight, transform, workspace)
                : null;
    }

    /** Queues the log-probs of all rows: one matrix product. */
    public void forward(TokenResults results, HeadRows rows) {
        check(rows);
        unit = null;
        if (exponentials != null) {
            exponentials.forward(results, hiddenRows(rows), rows.count);
            return;
        }
        logProbs(results, rows, 0, rows.count);
    }

    /**
     * Queues log-probs and gradients, if d loss / d log-prob is known in advance: three matrix products, or two with a
     * frozen weight.
     *
     * @param dLogprob f32[count], d loss / d log-prob
     */
    public void forwardBackward(HeadGradients gradients, TokenResults results, HeadRows rows, long dLogprob) {
        check(rows);
        check(gradients);
        unit = null;
        if (rows.count == 0) {
            clearWeight(gradients);
        } else if (exponentials != null) {
            exponentials.forwardBackward(exponentialGradients(gradients), results, hiddenRows(rows), dLogprob);
            return;
        }
        HeadGradients to = gradients;
        for (long begin = 0; begin < rows.count; begin += plan.chunkRows()) {
            long count = chunk(rows, begin);
            logits(hidden(rows, begin), count);
            TokenLogProb.forwardBackward(
                    device,
                    gradient(),
                    from(results, begin),
                    logits(),
                    rows.targets + 4 * begin,
                    dLogprob + 4 * begin,
                    count);
            products(to, rows, begin, count);
            to = gradients.accumulating();
        }
    }

    /**
     * Queues log-probs and the unit gradient. The next call must be {@link #backward} with the same rows.
     *
     * @param gradients the same as for {@link #backward}. With a frozen weight, dHidden holds its unit gradient until
     *     then
     */
    public void forwardUnit(HeadGradients gradients, TokenResults results, HeadRows rows) {
        check(rows);
        check(gradients);
        if (exponentials != null) {
            exponentials.forwardUnit(exponentialGradients(gradients), results, hiddenRows(rows));
        } else if (plan.use() == Use.FROZEN || isOneChunk(rows)) {
            for (long begin = 0; begin < rows.count; begin += plan.chunkRows()) {
                unitGradient(gradients, results, rows, begin);
            }
        } else {
            logProbs(results, rows, 0, lastChunk(rows));
            chunkLogProbs(results, rows, lastChunk(rows)); // backward reuses its logits
        }
        unit = rows;
    }

    private void unitGradient(HeadGradients gradients, TokenResults results, HeadRows rows, long begin) {
        long count = chunk(rows, begin);
        logits(hidden(rows, begin), count);
        TokenLogProb.forwardBackward(
                device,
                gradient(),
                from(results, begin),
                logits(),
                rows.targets + 4 * begin,
                TokenLogProb.UNIT_GRADIENT,
                count);
        if (plan.use() == Use.FROZEN) {
            dHidden(gradients.dHidden + bytes(begin), count);
        }
    }

    /**
     * Queues the gradients of the rows of the {@link #forwardUnit} before it.
     *
     * @param lse f32[count], from {@link #forwardUnit}
     * @param dLogprob f32[count], d loss / d log-prob; finite also for masked rows
     */
    public void backward(HeadGradients gradients, HeadRows rows, long lse, long dLogprob) {
        check(gradients);
        if (!rows.equals(unit)) {
            throw new Dpo4jException("lm_head: backward of " + rows + ", but the last call was "
                    + (unit == null ? "not forwardUnit" : "forwardUnit of " + unit)
                    + ": the workspace holds what backward needs between the two");
        }
        unit = null;
        if (rows.count == 0) {
            clearWeight(gradients);
        } else if (exponentials != null) {
            exponentials.backward(exponentialGradients(gradients), hiddenRows(rows), dLogprob);
        } else if (plan.use() == Use.FROZEN) {
            scale(gradients.dHidden, gradients.dHidden, dLogprob, rows.count);
        } else if (isOneChunk(rows)) {
            scaleUnitGradient(gradients, rows, dLogprob);
        } else {
            recomputeGradient(gradients, rows, lse, dLogprob);
        }
    }

    private void scaleUnitGradient(HeadGradients gradients, HeadRows rows, long dLogprob) {
        long scaled = workspace + plan.scaledBegin();
        scale(scaled, rows.hidden, dLogprob, rows.count);
        dHidden(gradients.dHidden, rows.count);
        dWeight(gradients, scaled, dLogprob, rows.count);
        scale(gradients.dHidden, gradients.dHidden, dLogprob, rows.count);
    }

    private void recomputeGradient(HeadGradients gradients, HeadRows rows, long lse, long dLogprob) {
        long last = lastChunk(rows);
        HeadGradients to = gradients;
        for (long begin = last; begin >= 0; begin -= plan.chunkRows()) {
            long count = chunk(rows, begin);
            if (begin < last) {
                logits(hidden(rows, begin), count);
            }
            gradientOfLogits(rows, begin, lse, dLogprob);
            products(to, rows, begin, count);
            to = gradients.accumulating();
        }
    }

    /** Of the chunk whose logits are in the workspace. Both ways have the same bits. */
    private void gradientOfLogits(HeadRows rows, long begin, long lse, long dLogprob) {
        long targets = rows.targets + 4 * begin;
        long count = chunk(rows, begin);
        if (plan.isRecomputedWithResults()) {
            long again = workspace + plan.resultsBegin();
            TokenResults results = new TokenResults(again, again + 4 * plan.chunkRows());
            TokenLogProb.forwardBackward(device, gradient(), results, logits(), targets, dLogprob + 4 * begin, count);
        } else {
            TokenLogProb.backward(device, gradient(), logits(), targets, lse + 4 * begin, dLogprob + 4 * begin, count);
        }
    }

    /** What a call without rows leaves, which has no product. */
    private void clearWeight(HeadGradients gradients) {
        if (gradients.dWeight != 0 && gradients.isWeightOverwritten) {
            device.fill(gradients.dWeight, 0, Float.BYTES * plan.vocabulary() * plan.hidden());
        }
    }

    /**
     * Queues the logits {@code x W^T} of at most one chunk of rows, without transform. Returns their address: f32, rows
     * {@link HeadPlan#stride} elements apart, valid until the next call.
     *
     * @param hidden hidden states, [rows, hidden]
     */
    public long logits(long hidden, long rows) {
        if (rows > plan.chunkRows()) {
            throw new Dpo4jException("lm_head: logits of " + rows + " rows, must be at most " + plan.chunkRows()
                    + ", the chunkRows of the plan");
        }
        if (exponentials != null) {
            throw new Dpo4jException("lm_head: the plan's path EXPONENTIALS has no logits: plan LOGITS");
        }
        unit = null;
        MatmulShape shape = MatmulShape.contiguous(rows, plan.vocabulary(), plan.hidden(), DType.F32, plan.dtype())
                .transposedB()
                .withStrides(new Strides(plan.stride(), plan.hidden(), plan.hidden()));
        device.matmul(workspace, hidden, weight, shape, false);
        return workspace;
    }

    private HiddenRows hiddenRows(HeadRows rows) {
        return new HiddenRows(rows.hidden, plan.hidden(), rows.targets, rows.count);
    }

    private static ExponentialHead.Gradients exponentialGradients(HeadGradients gradients) {
        return new ExponentialHead.Gradients(
                gradients.dHidden, gradients.dWeight, gradients.dBias, gradients.isWeightOverwritten);
    }

    /** Log-probs of rows {@code [begin, end)}; their logits are not kept. */
    private void logProbs(TokenResults results, HeadRows rows, long begin, long end) {
        for (long chunk = begin; chunk < end; chunk += plan.chunkRows()) {
            chunkLogProbs(results, rows, chunk);
        }
    }

    private void chunkLogProbs(TokenResults results, HeadRows rows, long begin) {
        long count = chunk(rows, begin);
        logits(hidden(rows, begin), count);
        TokenLogProb.forward(device, from(results, begin), logits(), rows.targets + 4 * begin, count);
    }

    /** The gradients of a chunk, from the gradient of the loss with respect to its logits. */
    private void products(HeadGradients gradients, HeadRows rows, long begin, long count) {
        dHidden(gradients.dHidden + bytes(begin), count);
        if (plan.use() == Use.TRAINING) {
            dWeight(gradients, hidden(rows, begin), ColumnSum.UNSCALED, count);
        }
    }

    /** {@code dX = dLogits W}. */
    private void dHidden(long dHidden, long rows) {
        MatmulShape shape = MatmulShape.contiguous(rows, plan.hidden(), plan.vocabulary(), plan.dtype(), plan.dtype())
                .withStrides(new Strides(plan.hidden(), plan.gradientStride(), plan.hidden()));
        device.matmul(dHidden, workspace + plan.gradientBegin(), weight, shape, false);
    }

    /** {@code dW += dLogits^T x}, or {@code dW = dLogits^T x}, and {@code dBias += dLogits^T scale}. */
    private void dWeight(HeadGradients gradients, long x, long scale, long rows) {
        long dLogits = workspace + plan.gradientBegin();
        MatmulShape shape = MatmulShape.contiguous(plan.vocabulary(), plan.hidden(), rows, DType.F32, plan.dtype())
                .transposedA()
                .withStrides(new Strides(plan.hidden(), plan.gradientStride(), plan.hidden()));
        device.matmul(gradients.dWeight, dLogits, x, shape, !gradients.isWeightOverwritten);
        if (gradients.dBias != 0) {
            Matrix gradient = new Matrix(dLogits, rows, plan.vocabulary(), plan.gradientStride(), plan.dtype());
            ColumnSum.forward(device, gradients.dBias, gradient, scale);
        }
    }

    private void scale(long out, long in, long scale, long rows) {
        ScaleRows.forward(device, out, in, scale, new MatrixShape(rows, plan.hidden(), plan.dtype()));
    }

    private void check(HeadRows rows) {
        if (rows.count < 0) {
            throw new Dpo4jException("lm_head: count of rows is " + rows.count + ", must be 0 or more");
        }
        if (!plan.hasAlignedChunks(rows.count)) {
            throw new Dpo4jException("lm_head: chunkRows is " + plan.chunkRows() + " and hidden is " + plan.hidden()
                    + ": chunks would not be 16-byte aligned: use a multiple of 8 rows, or all rows of a call");
        }
    }

    private void check(HeadGradients gradients) {
        boolean training = plan.use() == Use.TRAINING;
        if (plan.use() == Use.FORWARD) {
            throw new Dpo4jException("lm_head: the plan is FORWARD, which has no gradients: plan TRAINING or FROZEN");
        }
        if (training != (gradients.dWeight != 0)) {
            throw new Dpo4jException("lm_head: the plan is " + plan.use() + ", but dWeight is "
                    + (training ? "null: plan FROZEN for a matrix without gradient" : "given: plan TRAINING for it"));
        }
        if (gradients.dBias != 0 && (!training || transform.bias() == 0)) {
            throw new Dpo4jException("lm_head: dBias is given, but "
                    + (training ? "there is no bias" : "the plan is FROZEN: plan TRAINING for the gradient of a bias"));
        }
    }

    private boolean isOneChunk(HeadRows rows) {
        return rows.count <= plan.chunkRows();
    }

    /** The number of rows of the chunk that begins at row {@code begin}. */
    private long chunk(HeadRows rows, long begin) {
        return Math.min(plan.chunkRows(), rows.count - begin);
    }

    private long lastChunk(HeadRows rows) {
        return (rows.count - 1) / plan.chunkRows() * plan.chunkRows();
    }

    private long hidden(HeadRows rows, long begin) {
        return rows.hidden + bytes(begin);
    }

    private long bytes(long rows) {
        return rows * plan.hidden() * plan.dtype().bytes();
    }

    private static TokenResults from(TokenResults results, long row) {
        long statistics = results.statistics();
        return new TokenResults(
                results.logprob() + 4 * row,
                results.lse() + 4 * row,
                statistics == 0 ? 0 : statistics + 4 * TokenLogProb.STATISTICS * row);
    }

    private Logits logits() {
        return new Logits(workspace, 0, plan.vocabulary(), plan.stride(), DType.F32, transform);
    }

    private LogitsGradient gradient() {
        return new LogitsGradient(workspace + plan.gradientBegin(), plan.gradientStride(), plan.dtype());
    }
}
