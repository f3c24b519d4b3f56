package org.dpo4j.bench.device;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.SplittableRandom;
import org.dpo4j.kernels.DType;
import org.dpo4j.testkit.Storage;

/**
 * A pool of normal(0, 1) numbers, generated once per run. Each tensor starts at another position of the pool. Random
 * numbers are used because a GPU multiplies and moves zeros, constants and integers faster.
 */
final class Numbers {
    private final Scale scale;
    private final float[] pool;
    private final SplittableRandom random = new SplittableRandom(1);
    private int next;

    /** The size of the pool is prime, so that rows of a matrix are not equal, whatever its width. */
    Numbers(Scale scale) {
        this.scale = scale;
        pool = new float[scale == Scale.TINY ? 65_537 : 4_194_301];
        for (int i = 0; i < pool.length; i++) {
            pool[i] = (float) random.nextGaussian();
        }
    }

    Scale scale() {
        return scale;
    }

    int size() {
        return pool.length;
    }

    /** The next {@code count} numbers times {@code deviation}, in {@code dtype}. */
    ByteBuffer deal(int count, double deviation, DType dtype) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(count * dtype.bytes()).order(ByteOrder.nativeOrder());
        Storage storage = Storage.of(dtype);
        for (int i = 0; i < count; i++) {
            storage.write(buffer, i * storage.bytes, deviation * pool[next]);
            next = next + 1 == pool.length ? 0 : next + 1;
        }
        next = (next + 7919) % pool.length;
        return buffer;
    }

    int[] indices(int count, int end) {
        return random.ints(count, 0, end).toArray();
    }
}
