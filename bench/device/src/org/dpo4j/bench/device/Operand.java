package org.dpo4j.bench.device;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.dpo4j.kernels.Device;
import org.dpo4j.testkit.Storage;

/**
 * A tensor on a device, in several copies. The calls of a benchmark use one copy after another.
 *
 * @param base address of the first copy
 * @param stride bytes from copy to copy
 * @param count elements of a copy
 */
record Operand(Device device, long base, long stride, int copies, long count, Storage storage) {

    /** Address of the copy for this turn. */
    long at(int turn) {
        return base + turn % copies * stride;
    }

    long bytes() {
        return count * storage.bytes;
    }

    /** Elements of the first copy. Waits for queued work. */
    double[] read(long begin, int length) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(length * storage.bytes).order(ByteOrder.nativeOrder());
        device.download(buffer, base + begin * storage.bytes);
        double[] values = new double[length];
        for (int i = 0; i < length; i++) {
            values[i] = storage.read(buffer, i * storage.bytes);
        }
        return values;
    }

    double read(long index) {
        return read(index, 1)[0];
    }

    double[] row(long row, int width) {
        return read(row * width, width);
    }
}
