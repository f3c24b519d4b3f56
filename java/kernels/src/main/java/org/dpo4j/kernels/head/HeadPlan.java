package org.dpo4j.kernels.head;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;

/**
 * How a head of given sizes is computed: the rows of logits that there are at a time, the memory they take, and the
 * matrix products with the head. Arithmetic alone: nothing is allocated, and nothing depends on how many completions
 * there are.
 *
 * @param use what is computed
 * @param vocabulary rows of the head's matrix
 * @param hidden its columns
 * @param dtype storage of matrix and hidden rows
 * @param chunkRows most rows of logits in memory. Where there are several chunks each begins on 16 bytes of the hidden
 *     rows: a hidden size that is no multiple of 16 bytes wants a multiple of 8 rows, or of 4 in fp32
 */
public record HeadPlan(Use use, long vocabulary, long hidden, DType dtype, long chunkRows) {

    /** What a head is for. */
    public enum Use {
        /** Log-probs alone: references, evaluation. */
        FORWARD,
        /** Log-probs and the gradients of hidden rows and matrix. */
        TRAINING,
        /** Log-probs and the gradient of hidden rows: the matrix is frozen, as where adapters are trained. */
        FROZEN
    }

    static final long ALIGNMENT = 256;

    private static final long LARGEST_EXTENT = Integer.MAX_VALUE;
    private static final long LARGEST_CHUNK = 1L << 58;

    public HeadPlan {
        extent("vocabulary", vocabulary);
        extent("hidden", hidden);
        extent("chunkRows", chunkRows);
        if (chunkRows > LARGEST_CHUNK / Math.max(vocabulary + 7, hidden)) {
            throw new Dpo4jException("HeadPlan: chunkRows is " + chunkRows + ", more than any memory holds");
        }
    }

    /**
     * The plan of the largest chunk whose workspace is within {@code bytes}; never larger than {@code rows} need.
     * Throws, naming what one chunk takes, where none is.
     */
    public static HeadPlan within(long bytes, long rows, Use use, long vocabulary, long hidden, DType dtype) {
        return within(bytes, rows, new HeadPlan(use, vocabulary, hidden, dtype, 1));
    }

    private static HeadPlan within(long bytes, long rows, HeadPlan one) {
        long most = Math.min(Math.max(rows, 1), Math.max(bytes / one.bytesOfRow(), 1));
        HeadPlan plan = one.withChunkRows(most);
        while (plan.chunkRows > 1 && (plan.workspaceBytes() > bytes || !plan.takes(rows))) {
            plan = one.withChunkRows(plan.chunkRows - 1);
        }
        if (plan.workspaceBytes() > bytes || !plan.takes(rows)) {
            long least = Math.min(Math.max(rows, 1), one.rowsOfAlignment());
            throw new Dpo4jException("HeadPlan: " + bytes + " bytes are less than a chunk of " + least
                    + " rows takes at vocabulary " + one.vocabulary + " and hidden " + one.hidden + ": "
                    + one.withChunkRows(least).workspaceBytes() + " bytes");
        }
        return plan;
    }

    /** The same for other chunks. */
    public HeadPlan withChunkRows(long rows) {
        return new HeadPlan(use, vocabulary, hidden, dtype, rows);
    }

    /** Elements between rows of logits, and of their gradient. */
    public long stride() {
        return vocabulary + 7 & -8;
    }

    /** Bytes of workspace, whatever the number of rows. */
    public long workspaceBytes() {
        return scaledBegin() + aligned(scaledBytes());
    }

    /**
     * Matrix products with the head, each of {@code 2 rows vocabulary hidden} flops, for {@code rows} rows that {@link
     * LmHead#forwardUnit} and {@link LmHead#backward} take together: 1 forward, 2 with a frozen matrix, 3 for training;
     * 4 where the rows are more than a chunk, whose logits are then computed twice, but for the last chunk's. {@link
     * LmHead#forwardBackward} costs what one chunk does.
     */
    public int products(long rows) {
        return switch (use) {
            case FORWARD -> 1;
            case FROZEN -> 2;
            case TRAINING -> rows <= chunkRows ? 3 : 4;
        };
    }

    /** Whether chunks of these rows begin on 16 bytes. */
    boolean takes(long rows) {
        return rows <= chunkRows || chunkRows % rowsOfAlignment() == 0;
    }

    /** Rows of hidden width that are a multiple of 16 bytes. */
    private long rowsOfAlignment() {
        long odd = Long.lowestOneBit(hidden * dtype.bytes() | 16);
        return 16 / odd;
    }

    /** Where the gradient by the logits begins in the workspace: on the logits, or behind them. */
    long gradientBegin() {
        return hasGradient() ? aligned(4 * chunkRows * stride()) : 0;
    }

    /** Where scaled hidden rows begin. */
    long scaledBegin() {
        return aligned(4 * chunkRows * stride()) + (hasGradient() ? aligned(chunkRows * stride() * dtype.bytes()) : 0);
    }

    /** fp32 logits become their gradient in place; products of 16 bits want a gradient of 16 bits. */
    private boolean hasGradient() {
        return use != Use.FORWARD && dtype != DType.F32;
    }

    private long scaledBytes() {
        return use == Use.TRAINING ? chunkRows * hidden * dtype.bytes() : 0;
    }

    private long bytesOfRow() {
        return 4 * stride()
                + (hasGradient() ? stride() * dtype.bytes() : 0)
                + (use == Use.TRAINING ? hidden * dtype.bytes() : 0);
    }

    private static long aligned(long bytes) {
        return bytes + ALIGNMENT - 1 & -ALIGNMENT;
    }

    private static void extent(String name, long value) {
        if (value < 1 || value > LARGEST_EXTENT) {
            throw new Dpo4jException("HeadPlan: " + name + " is " + value + ", must be from 1 to " + LARGEST_EXTENT);
        }
    }
}
