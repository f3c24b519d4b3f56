package org.dpo4j.conformance;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.SplittableRandom;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.testkit.Bfloat16;

/**
 * A tensor of about 100 MB in bf16 or fp32. It is filled and read as bytes, because as doubles it would not fit in the
 * Java heap.
 */
final class LargeTensor implements AutoCloseable {
    private static final int FILLED = 1 << 20;

    private final Device device;
    private final DType dtype;
    private final DeviceBuffer memory;

    private LargeTensor(Device device, DType dtype, long count) {
        this.device = device;
        this.dtype = dtype;
        memory = device.allocate(count * dtype.bytes());
    }

    static LargeTensor output(Device device, DType dtype, long count) {
        LargeTensor tensor = new LargeTensor(device, dtype, count);
        tensor.clear();
        return tensor;
    }

    /** bf16 numbers, uniform in (-bound, bound). */
    static LargeTensor uniform(Device device, long count, double bound, long seed) {
        LargeTensor tensor = new LargeTensor(device, DType.BF16, count);
        SplittableRandom random = new SplittableRandom(seed);
        ByteBuffer part = direct(FILLED);
        long at = tensor.address();
        for (long left = count; left > 0; left -= part.limit() / 2) {
            part.clear().limit((int) Math.min(FILLED, 2 * left));
            for (int i = 0; i < part.limit(); i += 2) {
                float value = (float) (bound * (2 * random.nextDouble() - 1));
                part.putShort(i, (short) (Float.floatToRawIntBits(value) >>> 16)); // truncated to bf16
            }
            device.upload(at, part.slice());
            at += part.limit();
        }
        return tensor;
    }

    private static ByteBuffer direct(int bytes) {
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
    }

    long address() {
        return memory.address();
    }

    /** Sets every element to NaN. */
    void clear() {
        device.fill(memory.address(), 0xFF, memory.bytes());
    }

    /** The contents, after queued work is done. */
    Image image() {
        ByteBuffer bytes = direct(Math.toIntExact(memory.bytes()));
        device.download(bytes, memory.address());
        return new Image(bytes.clear().order(ByteOrder.nativeOrder()), dtype);
    }

    @Override
    public void close() {
        memory.close();
    }

    /** A copy on the host. */
    record Image(ByteBuffer bytes, DType dtype) {
        int count() {
            return bytes.capacity() / dtype.bytes();
        }

        float get(int i) {
            return dtype == DType.BF16 ? Bfloat16.value(bytes.getShort(2 * i)) : bytes.getFloat(4 * i);
        }

        void sameBitsAs(Image other, String what) {
            int at = bytes.mismatch(other.bytes);
            if (at >= 0) {
                throw new AssertionError(what + ": other bits, first at element " + at / dtype.bytes());
            }
        }
    }
}
