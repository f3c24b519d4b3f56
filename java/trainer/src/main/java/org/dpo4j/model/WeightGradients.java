package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.MatmulShape;
import org.jspecify.annotations.Nullable;

/**
 * The f32 gradients of {@link Parameters}, in one flat buffer. Most are matrix products: every pass computes each of them by one
 * product, or the head's by one for each loss chunk. The first of these products after a step overwrites what the step left, and later
 * ones add to it. So only the other gradients ({@link FlatLayout#summedRanges}) are zeroed for a step. The bits are those of zeroing
 * and adding, except that a product of -0 is not made 0.
 *
 * <p>The host knows which pass is the first, because it queues all of them in order. A launch of the first pass is another one than that
 * of a later pass, so {@link #areEmpty} belongs into the key of a CUDA graph of passes.
 */
final class WeightGradients implements AutoCloseable {

    private enum Content {
        ZERO,
        /** Products hold the gradients of an earlier step, which count as 0. */
        EARLIER_STEP,
        /** The sum of the passes of this step. */
        SUM
    }

    private final Device device;
    private final FlatLayout layout;
    private @Nullable DeviceBuffer buffer;
    private Content content = Content.ZERO;

    WeightGradients(Device device, FlatLayout layout) {
        this.device = device;
        this.layout = layout;
    }

    /** Address of the buffer. The first call allocates and zeroes it. */
    long address() {
        if (buffer == null) {
            buffer = device.allocate(bytes(layout.count()));
            zero();
        }
        return buffer.address();
    }

    /** Address of the gradient of a parameter. */
    long address(Parameter parameter) {
        return address() + bytes(parameter.offset());
    }

    /** Queues a fill of all gradients with 0. */
    void zero() {
        device.fill(address(), 0, bytes(layout.count()));
        content = Content.ZERO;
    }

    /** Queues a fill with 0 of the gradients that are no products. */
    void zeroSums() {
        for (ParameterRange range : layout.summedRanges()) {
            device.fill(address() + bytes(range.begin()), 0, bytes(range.end() - range.begin()));
        }
    }

    /** All gradients count as 0 from now on. {@link #zeroSums} is queued already. */
    void beginStep() {
        content = Content.EARLIER_STEP;
    }

    /** Whether no pass of this step is queued yet, so that the next one overwrites products. */
    boolean areEmpty() {
        return content != Content.SUM;
    }

    /** All launches of a pass are queued: the next pass adds. */
    void endPass() {
        content = Content.SUM;
    }

    /** Makes gradients that count as 0 really 0, to be read. */
    void settle() {
        if (content == Content.EARLIER_STEP) {
            zero();
        }
    }

    /** Queues the product that a pass computes as the gradient of a matrix. */
    void addProduct(Parameter matrix, long a, long b, MatmulShape shape) {
        device.matmul(address(matrix), a, b, shape, !areEmpty());
    }

    private static long bytes(long elements) {
        return elements * DType.F32.bytes();
    }

    @Override
    public void close() {
        if (buffer != null) {
            buffer.close();
        }
    }
}
