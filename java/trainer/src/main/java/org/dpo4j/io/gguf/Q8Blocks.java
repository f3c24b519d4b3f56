package org.dpo4j.io.gguf;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import org.dpo4j.io.FloatFormats;
import org.dpo4j.kernels.Dpo4jException;

/**
 * ggml's Q8_0: a block of 32 numbers is {@code scale * q}, with a float16 scale and a signed byte q for each number. The
 * bits are those of {@code quantize_row_q8_0_ref}: every step is in f32, and halves are rounded away from 0.
 */
public final class Q8Blocks {
    private static final int ELEMENTS = GgufType.Q8_0.blockElements();
    private static final int MAX = 127;

    private Q8Blocks() {}

    /**
     * Converts all remaining numbers, a multiple of 32. {@code destination} is little-endian. Throws if a number is not
     * finite, or so large that its scale is beyond float16.
     */
    public static void convert(FloatBuffer source, ByteBuffer destination) {
        float[] block = new float[ELEMENTS];
        while (source.hasRemaining()) {
            source.get(block);
            float scale = largest(block) / MAX;
            destination.putShort(FloatFormats.toFloat16(scale));
            float inverse = scale == 0 ? 0 : 1 / scale;
            for (float value : block) {
                destination.put((byte) round(value * inverse));
            }
        }
    }

    private static float largest(float[] block) {
        float largest = 0;
        for (float value : block) {
            if (!Float.isFinite(value)) {
                throw new Dpo4jException(value + " is not a finite number");
            }
            largest = Math.max(largest, Math.abs(value));
        }
        return largest;
    }

    /** C's roundf. */
    private static int round(float value) {
        float size = Math.abs(value);
        float floor = (float) Math.floor(size);
        int rounded = (int) floor + (size - floor >= 0.5f ? 1 : 0);
        return value < 0 ? -rounded : rounded;
    }
}
