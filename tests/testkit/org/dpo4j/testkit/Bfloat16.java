package org.dpo4j.testkit;

/** bfloat16 as the upper half of a binary32. */
public final class Bfloat16 {
    private Bfloat16() {}

    /** Rounded to nearest, ties to even. */
    public static short bits(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) (bits >>> 16 | 0x40);
        }
        int half = 0x7FFF + (bits >>> 16 & 1);
        return (short) (bits + half >>> 16);
    }

    public static float value(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    public static float rounded(float value) {
        return value(bits(value));
    }
}
