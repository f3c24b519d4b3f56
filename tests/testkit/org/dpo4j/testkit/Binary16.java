package org.dpo4j.testkit;

/**
 * IEEE 754 binary16. From 2^-14 on, a significand has 11 bits, one of them implied; smaller numbers are multiples of
 * 2^-24.
 */
public final class Binary16 {
    private static final int IMPLIED = 1024;
    private static final int INFINITY = 0x7C00;

    /** The midpoint between the max finite number, 65504, and the next power of two, 65536. */
    private static final float OVERFLOW = 65520;

    private Binary16() {}

    /** Rounded to nearest, ties to even. */
    public static short bits(float value) {
        int sign = Float.floatToRawIntBits(value) >>> 16 & 0x8000;
        float size = Math.abs(value);
        if (Float.isNaN(value)) {
            return (short) (sign | INFINITY | 0x200);
        }
        if (size >= OVERFLOW) {
            return (short) (sign | INFINITY);
        }
        // The significand in units of the last place. If it is rounded up to 2048, the sum below increases the
        // exponent.
        int exponent = Math.max(Math.getExponent(size), -14);
        int significand = (int) Math.rint(size * powerOfTwo(10 - exponent));
        return (short) (sign | (exponent + 14) * IMPLIED + significand);
    }

    /** Ten times as fast as {@link Math#scalb}. Products with it are exact. */
    private static double powerOfTwo(int exponent) {
        return Double.longBitsToDouble(1023L + exponent << 52);
    }

    public static float value(short bits) {
        int exponent = bits >>> 10 & 31;
        int fraction = bits & IMPLIED - 1;
        float size;
        if (exponent == 31) {
            size = fraction == 0 ? Float.POSITIVE_INFINITY : Float.NaN;
        } else {
            size = (float) ((exponent == 0 ? fraction : IMPLIED + fraction) * powerOfTwo(Math.max(exponent, 1) - 25));
        }
        return bits < 0 ? -size : size;
    }
}
