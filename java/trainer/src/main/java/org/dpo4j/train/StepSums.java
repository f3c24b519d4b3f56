package org.dpo4j.train;

import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.decoder.CountStep;
import org.dpo4j.train.checkpoint.SavedState;

/**
 * Sums on the device to which the steps of a run add, each an f64. A skipped step leaves them as they were before it: a
 * second array keeps the sums after the last applied step, and {@link CountStep} copies one to the other.
 */
final class StepSums implements AutoCloseable {
    private final Device device;
    private final int count;
    /** The sums, then those that are kept. */
    private final DeviceBuffer arrays;

    /** Allocates sums of 0. {@code count}: an even number. */
    StepSums(Device device, int count) {
        if (count % 2 != 0) {
            throw new IllegalArgumentException("an odd count would misalign the second array");
        }
        this.device = device;
        this.count = count;
        this.arrays = device.allocate(2 * bytes(count));
        clear(0, count);
    }

    private static long bytes(int count) {
        return (long) Double.BYTES * count;
    }

    /** Device address of a sum. */
    long address(int index) {
        return arrays.address() + bytes(index);
    }

    /** Sets {@code count} sums to 0. */
    void clear(int first, int count) {
        device.fill(address(first), 0, bytes(count));
        device.fill(address(this.count + first), 0, bytes(count));
    }

    /** What a step is counted with. */
    CountStep.Sums sums() {
        return new CountStep.Sums(address(0), address(count), count);
    }

    long bytes() {
        return arrays.bytes();
    }

    void state(SavedState saved, String name) {
        saved.array(name, "F64", arrays.address(), 2L * count);
    }

    @Override
    public void close() {
        arrays.close();
    }
}
