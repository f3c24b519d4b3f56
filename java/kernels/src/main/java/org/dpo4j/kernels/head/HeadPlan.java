package org.dpo4j.kernels.head;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.TokenLogProb;

/**
 * The sizes of an {@link LmHead}, and the memory and the number of matrix products that follow from them. They do not
 * depend on the number of completions. Nothing is allocated.
 *
 * @param use what is computed
 * @param vocabulary rows of the head's weight
 * @param hidden columns of the head's weight
 * @param dtype storage of weight and hidden states
 * @param chunkRows max rows of logits in memory. If there are several chunks, the hidden states of each must be 16-byte
 *     aligned: if a row of hidden states is not a multiple of 16 bytes, use a multiple of 8 rows (of 4 in fp32)
 * @param path what is kept in memory between forward and backward
 */
public record HeadPlan(Use use, long vocabulary, long hidden, DType dtype, long chunkRows, Path path) {

    /** What a head computes. */
    public enum Use {
        /** Log-probs, for references and evaluation. */
        FORWARD,
        /** Log-probs, and the gradients of hidden states and weight. */
        TRAINING,
        /** Log-probs, and the gradient of hidden states; the weight is frozen, for example if adapters are trained. */
        FROZEN
    }

    /**
     * Bytes of workspace on a GPU. They hold a chunk of 5376 rows with EXPONENTIALS, 2816 with LOGITS_IN_PLACE and 1792 with
     * LOGITS, for Llama 3's vocabulary of 128 256 and a hidden size of 4096. Every chunk except the first reads and writes the
     * fp32 gradient of the weight. With 1792 rows, this traffic takes two fifths of the time of one product.
     */
    public static final long GPU_BYTES = 1_500_000_000;

    /**
     * What is kept in memory between forward and backward. Log-probs of EXPONENTIALS differ from those of the others in their last
     * bits. So a policy and its reference need the same path.
     */
    public enum Path {
        /** fp32 logits, and their gradient in the dtype of the weight. For every device, dtype, use and transform. */
        LOGITS,
        /**
         * fp32 logits. The bf16 gradient of a row overwrites the first half of the logits of this row, so a row needs 4 bytes per column
         * of the vocabulary instead of 6. Results have the same bits as with LOGITS. The device must support it
         * ({@link TokenLogProb#narrowsInPlace}).
         */
        LOGITS_IN_PLACE,
        /**
         * Exponentials of the softmax in bf16. The epilogue of the forward product stores them ({@link LmHeadExponentials}), and
         * no kernel reads or writes fp32 logits. A row needs 2 bytes per column of the vocabulary instead of 6. {@link
         * LmHeadForward} computes log-probs without gradients, with the same bits. This path needs a Hopper GPU with both kernels {@code
         * lm_head_*_sm90a}, weights in bf16, and rows of hidden states of a multiple of 16 bytes. Not yet measured on a GPU.
         */
        EXPONENTIALS
    }

    static final long ALIGNMENT = 256;

    /** Tiles of matrix products have 128 or 256 rows. */
    private static final long TILE_ROWS = 256;

    private static final long MAX_EXTENT = Integer.MAX_VALUE;
    private static final long MAX_CHUNK_ELEMENTS = 1L << 58;

    public HeadPlan {
        extent("vocabulary", vocabulary);
        extent("hidden", hidden);
        extent("chunkRows", chunkRows);
        if (chunkRows > MAX_CHUNK_ELEMENTS / Math.max(vocabulary + 7, hidden)) {
            throw new Dpo4jException("HeadPlan: chunkRows is " + chunkRows + ", more than any memory holds");
        }
        if (path == Path.EXPONENTIALS && !canBeExponentials(hidden, dtype)) {
            throw new Dpo4jException(
                    "HeadPlan: path EXPONENTIALS needs BF16 and a multiple of 8 as hidden, but the plan is " + dtype
                            + ", " + hidden + ": plan LOGITS");
        }
    }

    /** A plan that keeps logits. */
    public HeadPlan(Use use, long vocabulary, long hidden, DType dtype, long chunkRows) {
        this(use, vocabulary, hidden, dtype, chunkRows, Path.LOGITS);
    }

    /**
     * Plans one row, for {@link #within}. The path is EXPONENTIALS if the device supports it, else that of {@link #ofLogits}: it
     * moves the fewest bytes. It does not depend on the use, so log-probs of a policy and its reference have equal bits.
     */
    public static HeadPlan on(Device device, Use use, long vocabulary, long hidden, DType dtype) {
        if (canBeExponentials(hidden, dtype) && lacksExponentials(device, dtype).isEmpty()) {
            return new HeadPlan(use, vocabulary, hidden, dtype, 1, Path.EXPONENTIALS);
        }
        return ofLogits(device, use, vocabulary, hidden, dtype);
    }

    /** Why the device cannot run the kernels of {@link Path#EXPONENTIALS}; empty if it can. */
    static String lacksExponentials(Device device, DType dtype) {
        String forward = LmHeadForward.lacks(device, dtype);
        return forward.isEmpty() ? LmHeadExponentials.lacks(device, dtype) : forward;
    }

    private static boolean canBeExponentials(long hidden, DType dtype) {
        return dtype == DType.BF16 && hidden % 8 == 0;
    }

    /** Plans one row that keeps logits, for {@link #within}. The path is LOGITS_IN_PLACE if the device supports it. */
    public static HeadPlan ofLogits(Device device, Use use, long vocabulary, long hidden, DType dtype) {
        boolean isInPlace = TokenLogProb.narrowsInPlace(device, vocabulary);
        return new HeadPlan(use, vocabulary, hidden, dtype, 1, isInPlace ? Path.LOGITS_IN_PLACE : Path.LOGITS);
    }

    /** The same plan for another path. */
    public HeadPlan withPath(Path other) {
        return new HeadPlan(use, vocabulary, hidden, dtype, chunkRows, other);
    }

    /**
     * Returns the plan whose workspace fits in {@code bytes}, with the min number of chunks for {@code rows} rows. If there are several,
     * they have the max number of rows, or, from {@value #TILE_ROWS} rows on, nearly equal numbers that are multiples of it. If no chunk
     * fits, throws and names the bytes that the min chunk needs.
     */
    public static HeadPlan within(long bytes, long rows, Use use, long vocabulary, long hidden, DType dtype) {
        return within(bytes, rows, new HeadPlan(use, vocabulary, hidden, dtype, 1));
    }

    /** The same for the use, sizes and path of another plan. */
    public static HeadPlan within(long bytes, long rows, HeadPlan oneRow) {
        HeadPlan plan = oneRow.withChunkRows(Math.min(Math.max(rows, 1), Math.max(bytes / oneRow.bytesPerRow(), 1)));
        while (plan.chunkRows > 1 && !plan.isWithin(bytes, rows)) {
            plan = oneRow.withChunkRows(plan.chunkRows - 1);
        }
        if (plan.chunkRows < rows && plan.chunkRows >= TILE_ROWS) {
            long max = plan.chunkRows / TILE_ROWS * TILE_ROWS;
            long chunks = up(rows, max) / max;
            plan = oneRow.withChunkRows(up(up(rows, chunks) / chunks, TILE_ROWS));
        }
        if (!plan.isWithin(bytes, rows)) {
            long minRows = Math.min(Math.max(rows, 1), oneRow.alignedRows());
            throw new Dpo4jException("HeadPlan: " + bytes + " bytes are too few: a chunk of " + minRows
                    + " rows with vocabulary " + oneRow.vocabulary + " and hidden " + oneRow.hidden + " needs "
                    + oneRow.withChunkRows(minRows).workspaceBytes() + " bytes");
        }
        return plan;
    }

    /**
     * The max rows of a chunk of this head whose workspace fits in {@code bytes}; a multiple of {@value #TILE_ROWS} if there are as many;
     * at least 1, also if that does not fit.
     */
    public long rowsWithin(long bytes) {
        long rows = Math.min(MAX_EXTENT, Math.max(bytes / bytesPerRow(), 1));
        while (rows > 1 && withChunkRows(rows).workspaceBytes() > bytes) {
            rows--;
        }
        return rows < TILE_ROWS ? rows : rows / TILE_ROWS * TILE_ROWS;
    }

    /** The multiple of {@code unit} that is not below {@code value}. */
    private static long up(long value, long unit) {
        return (value + unit - 1) / unit * unit;
    }

    private boolean isWithin(long bytes, long rows) {
        return workspaceBytes() <= bytes && hasAlignedChunks(rows);
    }

    /** The same plan with another max number of rows per chunk. */
    public HeadPlan withChunkRows(long rows) {
        return new HeadPlan(use, vocabulary, hidden, dtype, rows, path);
    }

    /** Elements between rows of logits. */
    public long stride() {
        return vocabulary + 7 & -8;
    }

    /** Elements between rows of the gradient of the logits. */
    long gradientStride() {
        return isNarrowedInPlace() ? 2 * stride() : stride();
    }

    /** Bytes of workspace, for any number of rows. */
    public long workspaceBytes() {
        if (path == Path.EXPONENTIALS) {
            return exponentialParts().end();
        }
        return resultsBegin() + aligned(resultsBytes());
    }

    /**
     * The number of matrix products, each of {@code 2 rows vocabulary hidden} FLOPs, for {@code rows} rows in one call
     * of {@link LmHead#forwardUnit} and one of {@link LmHead#backward}: 1 for log-probs, 2 with a frozen weight, 3 for
     * training. Training with more than one chunk needs 4, because the logits of all chunks but the last are computed
     * twice. {@link LmHead#forwardBackward} never needs a fourth.
     */
    public int products(long rows) {
        return switch (use) {
            case FORWARD -> 1;
            case FROZEN -> 2;
            case TRAINING -> rows <= chunkRows ? 3 : 4;
        };
    }

    /** The parts of the workspace on {@link Path#EXPONENTIALS}. */
    ExponentialParts exponentialParts() {
        return use == Use.FORWARD
                ? ExponentialParts.ofForward(chunkRows, vocabulary)
                : ExponentialParts.ofGradients(chunkRows, vocabulary, stride(), use == Use.TRAINING ? hidden : 0);
    }

    /** Whether, in a call of {@code rows} rows, the hidden states of every chunk are 16-byte aligned. */
    boolean hasAlignedChunks(long rows) {
        return rows <= chunkRows || chunkRows % alignedRows() == 0;
    }

    /** The min number of rows of hidden states whose bytes are a multiple of 16. */
    private long alignedRows() {
        return 16 / Long.lowestOneBit(hidden * dtype.bytes() | 16);
    }

    /** The offset of the gradient of the logits in the workspace: after the logits, or 0 if it overwrites them. */
    long gradientBegin() {
        return hasSeparateGradient() ? aligned(4 * chunkRows * stride()) : 0;
    }

    /** The offset of scaled hidden states. */
    long scaledBegin() {
        return aligned(4 * chunkRows * stride())
                + (hasSeparateGradient() ? aligned(chunkRows * stride() * dtype.bytes()) : 0);
    }

    /** The offset of {@code {logprob, lse}} f32[2, chunkRows], which backward writes again if {@link #isRecomputedWithResults}. */
    long resultsBegin() {
        return scaledBegin() + aligned(scaledBytes());
    }

    /**
     * Whether backward computes the gradient of logits that it has computed again by the operation that computes log-probs too: the only
     * one that can write in place.
     */
    boolean isRecomputedWithResults() {
        return use == Use.TRAINING && isNarrowedInPlace();
    }

    /** Whether the gradient of the logits has fewer bytes than the logits. */
    private boolean isNarrowed() {
        return use != Use.FORWARD && dtype != DType.F32;
    }

    private boolean isNarrowedInPlace() {
        return isNarrowed() && path == Path.LOGITS_IN_PLACE;
    }

    /** Whether the gradient of the logits has memory of its own. In fp32 it overwrites the logits. */
    private boolean hasSeparateGradient() {
        return isNarrowed() && !isNarrowedInPlace();
    }

    private long resultsBytes() {
        return isRecomputedWithResults() ? 2 * Float.BYTES * chunkRows : 0;
    }

    private long scaledBytes() {
        return use == Use.TRAINING ? chunkRows * hidden * dtype.bytes() : 0;
    }

    private long bytesPerRow() {
        if (path == Path.EXPONENTIALS) {
            int rows = 64; // of which the bytes of each part are a multiple of the alignment
            return (withChunkRows(1 + rows).workspaceBytes() - withChunkRows(1).workspaceBytes()) / rows;
        }
        return 4 * stride()
                + (hasSeparateGradient() ? stride() * dtype.bytes() : 0)
                + (use == Use.TRAINING ? hidden * dtype.bytes() : 0)
                + (isRecomputedWithResults() ? 2 * Float.BYTES : 0);
    }

    private static long aligned(long bytes) {
        return bytes + ALIGNMENT - 1 & -ALIGNMENT;
    }

    private static void extent(String name, long value) {
        if (value < 1 || value > MAX_EXTENT) {
            throw new Dpo4jException("HeadPlan: " + name + " is " + value + ", must be from 1 to " + MAX_EXTENT);
        }
    }
}
