package org.dpo4j.bench.device;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;

/**
 * Memory of a device that a benchmark's calls take in turn.
 *
 * @param device where it is
 * @param base address of the first copy
 * @param stride bytes from copy to copy
 * @param copies how many
 * @param count elements of one
 * @param dtype of an element; F32 for i32 too
 */
record Tensor(Device device, long base, long stride, int copies, long count, DType dtype) {

    /** Address of the copy whose turn it is. */
    long at(int turn) {
        return base + turn % copies * stride;
    }

    long bytes() {
        return count * dtype.bytes();
    }

    /** Elements of the first copy from {@code begin} on. Waits for queued work. */
    double[] read(long begin, int length) {
        ByteBuffer buffer = raw(begin, length);
        double[] values = new double[length];
        for (int i = 0; i < length; i++) {
            values[i] = switch (dtype) {
                case F32 -> buffer.getFloat();
                case BF16 -> Float.intBitsToFloat(buffer.getShort() << 16);
                case F16 -> throw new IllegalArgumentException("no benchmark stores F16");
            };
        }
        return values;
    }

    double read(long index) {
        return read(index, 1)[0];
    }

    int readInt(long index) {
        return raw(index, 1).getInt();
    }

    int[] readInts(long begin, int length) {
        int[] values = new int[length];
        raw(begin, length).asIntBuffer().get(values);
        return values;
    }

    private ByteBuffer raw(long begin, int length) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(length * dtype.bytes()).order(ByteOrder.nativeOrder());
        device.download(buffer, base + begin * dtype.bytes());
        return buffer.flip();
    }
}
