package org.dpo4j.bench.device;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.SplittableRandom;
import org.dpo4j.kernels.DType;

/**
 * Numbers of normal(0, 1), drawn once a run and dealt out from another place each time. Zeros, constants and whole
 * numbers would be quicker to multiply, and to move.
 */
final class Numbers {
    private final float[] pool;
    private final SplittableRandom random = new SplittableRandom(1);
    private final boolean tiny;
    private int next;

    /** A prime number of them, so that rows of no width repeat in step. */
    Numbers(boolean tiny) {
        this.tiny = tiny;
        pool = new float[tiny ? 65_537 : 4_194_301];
        for (int i = 0; i < pool.length; i++) {
            pool[i] = (float) random.nextGaussian();
        }
    }

    boolean tiny() {
        return tiny;
    }

    int size() {
        return pool.length;
    }

    /** The next {@code count} numbers times {@code deviation}, in {@code dtype}. */
    ByteBuffer deal(int count, double deviation, DType dtype) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(count * dtype.bytes()).order(ByteOrder.nativeOrder());
        for (int i = 0; i < count; i++) {
            float value = (float) (deviation * pool[next]);
            next = next + 1 == pool.length ? 0 : next + 1;
            if (dtype == DType.F32) {
                buffer.putFloat(value);
            } else {
                buffer.putShort(bfloat16(value));
            }
        }
        next = (next + 7919) % pool.length;
        return buffer.flip();
    }

    /** Rounded to nearest, ties to even. */
    private static short bfloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        return (short) ((bits + 0x7FFF + (bits >>> 16 & 1)) >>> 16);
    }

    int[] indices(int count, int end) {
        return random.ints(count, 0, end).toArray();
    }
}
