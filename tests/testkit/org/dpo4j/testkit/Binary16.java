package org.dpo4j.testkit;

/** IEEE 754 binary16: 11 bits of significand, one of them implied, from 2^-14; below that, multiples of 2^-24. */
public final class Binary16 {
    private static final int IMPLIED = 1024;
    private static final int INFINITY = 0x7C00;

    /** The middle between the largest number, 65504, and what would be the next. */
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
        // In units of the last place the significand is a whole number; one of 2048 carries into the exponent by
        // itself.
        int exponent = Math.max(Math.getExponent(size), -14);
        int significand = (int) Math.rint(Math.scalb((double) size, 10 - exponent));
        return (short) (sign | (exponent + 14) * IMPLIED + significand);
    }

    public static float value(short bits) {
        int exponent = bits >>> 10 & 31;
        int fraction = bits & IMPLIED - 1;
        float size;
        if (exponent == 31) {
            size = fraction == 0 ? Float.POSITIVE_INFINITY : Float.NaN;
        } else {
            size = Math.scalb((float) (exponent == 0 ? fraction : IMPLIED + fraction), Math.max(exponent, 1) - 25);
        }
        return bits < 0 ? -size : size;
    }
}
