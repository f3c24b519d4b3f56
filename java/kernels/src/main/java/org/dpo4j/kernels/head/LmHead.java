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
import org.dpo4j.kernels.head.HeadPlan.Use;
import org.jspecify.annotations.Nullable;

/**
 * Log-probs of tokens, {@code log softmax(z)[target]} with z a {@link Transform} of {@code x W^T}, from rows x of
 * hidden width and the head's matrix W; and the gradients of x, W and the bias. Logits exist for a chunk of rows at a
 * time, fp32 whatever the storage, so that log-prob and lse come from fp32 accumulators.
 *
 * <p>A loss that needs the log-probs to know their gradient, as every preference loss does, takes rows in two calls.
 * {@link #forwardUnit} makes the gradient for a loss whose gradient by each log-prob is 1, in the read that yields the
 * log-probs; {@link #backward} scales it by what the loss has made of them: one number a row, of hidden width, so that
 * three products do. Rows that go together into two such calls must fit a chunk; where they do not, or a frozen matrix
 * has no gradient, the plan says what it costs: {@link HeadPlan#products}. Where the number is known beforehand, {@link
 * #forwardBackward} is one call of any length.
 *
 * <p>Bits: log-prob, lse and statistics of a row do not depend on other rows, on the chunks, or
 * on which of the calls computes them. The gradient of a hidden row does not depend on other rows or, between rows that
 * fit a chunk, on the chunks; that of three products and that of four differ in rounding. The gradients of matrix and
 * bias are sums over rows, chunk after chunk in fp32: their bits depend on the chunks, and repeat.
 *
 * <p>Addresses are memory of the device, owned by the caller, 16-byte aligned; targets and what has one f32 a row
 * 4-byte. 0 is null. Nothing is allocated or waited for. The workspace holds state between {@link #forwardUnit} and
 * {@link #backward}. One thread at a time.
 */
public final class LmHead {

    /**
     * Rows of a call.
     *
     * @param hidden dtype[count, hidden]
     * @param targets i32[count]; negative: the row is masked, its log-prob and its gradient are 0, but its products
     *     are paid for
     * @param count rows
     */
    public record HeadRows(long hidden, long targets, long count) {}

    /**
     * Where gradients go.
     *
     * @param dHidden out, dtype[count, hidden]
     * @param dWeight added to, f32[vocabulary, hidden]; 0 with a frozen matrix
     * @param dBias added to, f32[vocabulary]; 0 for none
     */
    public record HeadGradients(long dHidden, long dWeight, long dBias) {

        /** Without a bias. */
        public HeadGradients(long dHidden, long dWeight) {
            this(dHidden, dWeight, 0);
        }

        /** Of hidden rows alone: the matrix is frozen. */
        public static HeadGradients ofHidden(long dHidden) {
            return new HeadGradients(dHidden, 0, 0);
        }
    }

    private final Device device;
    private final HeadPlan plan;
    private final long weight;
    private final Transform transform;
    private final long workspace;
    private @Nullable HeadRows unit;

    /**
     * Of a matrix on a device.
     *
     * @param weight dtype[vocabulary, hidden]
     * @param transform of its logits
     * @param workspace {@link HeadPlan#workspaceBytes} bytes, for this object alone while it is used
     * @throws Dpo4jException where the device does not store the plan's type
     */
    public LmHead(Device device, HeadPlan plan, long weight, Transform transform, long workspace) {
        if (!device.supports(plan.dtype())) {
            throw new Dpo4jException(
                    "lm_head: dtype is " + plan.dtype() + ", which " + device.name() + " does not store: use F32");
        }
        this.device = device;
        this.plan = plan;
        this.weight = weight;
        this.transform = transform;
        this.workspace = workspace;
    }

    /** Queues the log-probs of all rows. One product. */
    public void forward(TokenResults results, HeadRows rows) {
        check(rows);
        unit = null;
        logProbs(results, rows, 0, rows.count);
    }

    /**
     * Queues log-probs and gradients where d loss / d log-prob is known beforehand. Three products, two with a frozen
     * matrix.
     *
     * @param dLogprob f32[count]
     */
    public void forwardBackward(HeadGradients gradients, TokenResults results, HeadRows rows, long dLogprob) {
        check(rows);
        check(gradients);
        unit = null;
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
            products(gradients, rows, begin, count);
        }
    }

    /**
     * Queues log-probs, and what is known of the gradient before the loss is. {@link #backward} of the same rows must
     * be the next call.
     *
     * @param gradients as given to {@link #backward}: a frozen matrix's dHidden holds the unit gradient until then
     */
    public void forwardUnit(HeadGradients gradients, TokenResults results, HeadRows rows) {
        check(rows);
        check(gradients);
        if (plan.use() == Use.FROZEN || fits(rows)) {
            for (long begin = 0; begin < rows.count; begin += plan.chunkRows()) {
                unitGradient(gradients, results, rows, begin);
            }
        } else {
            logProbs(results, rows, 0, lastChunk(rows));
            chunkLogProbs(results, rows, lastChunk(rows)); // whose logits backward finds
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
     * Queues the rest of the gradients of the rows that {@link #forwardUnit} has just seen.
     *
     * @param lse f32[count], of {@link #forwardUnit}
     * @param dLogprob f32[count], finite also where a row is masked
     */
    public void backward(HeadGradients gradients, HeadRows rows, long lse, long dLogprob) {
        check(gradients);
        if (!rows.equals(unit)) {
            throw new Dpo4jException("lm_head: backward of " + rows + ", but the last call was "
                    + (unit == null ? "not forwardUnit" : "forwardUnit of " + unit)
                    + ": the workspace holds what backward needs between the two");
        }
        unit = null;
        if (plan.use() == Use.FROZEN) {
            scale(gradients.dHidden, gradients.dHidden, dLogprob, rows.count);
        } else if (fits(rows)) {
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
        for (long begin = last; begin >= 0; begin -= plan.chunkRows()) {
            long count = chunk(rows, begin);
            if (begin < last) {
                logits(hidden(rows, begin), count);
            }
            TokenLogProb.backward(
                    device,
                    gradient(),
                    logits(),
                    rows.targets + 4 * begin,
                    lse + 4 * begin,
                    dLogprob + 4 * begin,
                    count);
            products(gradients, rows, begin, count);
        }
    }

    /**
     * Queues {@code x W^T} of at most a chunk of rows, before any transform. Returns where it is f32, {@link
     * HeadPlan#stride} apart, until the next call.
     *
     * @param hidden [rows, hidden]
     */
    public long logits(long hidden, long rows) {
        if (rows > plan.chunkRows()) {
            throw new Dpo4jException("lm_head: logits of " + rows + " rows, of which the plan has " + plan.chunkRows());
        }
        unit = null;
        MatmulShape shape = MatmulShape.contiguous(rows, plan.vocabulary(), plan.hidden(), DType.F32, plan.dtype())
                .transposedB()
                .withStrides(new Strides(plan.stride(), plan.hidden(), plan.hidden()));
        device.matmul(workspace, hidden, weight, shape, false);
        return workspace;
    }

    /** Log-probs of the rows from begin to end, whose logits nobody needs afterwards. */
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

    /** Of a chunk whose gradient by the logits is the loss's own. */
    private void products(HeadGradients gradients, HeadRows rows, long begin, long count) {
        dHidden(gradients.dHidden + bytes(begin), count);
        if (plan.use() == Use.TRAINING) {
            dWeight(gradients, hidden(rows, begin), ColumnSum.UNSCALED, count);
        }
    }

    /** {@code dX = dLogits W}. */
    private void dHidden(long dHidden, long rows) {
        MatmulShape shape = MatmulShape.contiguous(rows, plan.hidden(), plan.vocabulary(), plan.dtype(), plan.dtype())
                .withStrides(new Strides(plan.hidden(), plan.stride(), plan.hidden()));
        device.matmul(dHidden, workspace + plan.gradientBegin(), weight, shape, false);
    }

    /** {@code dW += dLogits^T x}, and {@code dBias += dLogits^T scale}. */
    private void dWeight(HeadGradients gradients, long x, long scale, long rows) {
        long dLogits = workspace + plan.gradientBegin();
        MatmulShape shape = MatmulShape.contiguous(plan.vocabulary(), plan.hidden(), rows, DType.F32, plan.dtype())
                .transposedA()
                .withStrides(new Strides(plan.hidden(), plan.stride(), plan.hidden()));
        device.matmul(gradients.dWeight, dLogits, x, shape, true);
        if (gradients.dBias != 0) {
            Matrix gradient = new Matrix(dLogits, rows, plan.vocabulary(), plan.stride(), plan.dtype());
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
        if (!plan.takes(rows.count)) {
            throw new Dpo4jException("lm_head: chunkRows is " + plan.chunkRows() + " and hidden is " + plan.hidden()
                    + ": chunks would not begin on 16 bytes; use a multiple of 8 rows, or as many as there are");
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

    private boolean fits(HeadRows rows) {
        return rows.count <= plan.chunkRows();
    }

    /** Rows of the chunk that begins there. */
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
        return new LogitsGradient(workspace + plan.gradientBegin(), plan.stride(), plan.dtype());
    }
}
