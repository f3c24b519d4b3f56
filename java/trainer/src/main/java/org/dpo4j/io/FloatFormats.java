package org.dpo4j.io;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.dpo4j.kernels.Dpo4jException;

/**
 * Float formats of weights, under safetensors' names, and conversions between them. Rounds to nearest, ties to even.
 */
public final class FloatFormats {
    private FloatFormats() {}

    /** Bytes per element of F32, F16 or BF16; 0 for any other format. */
    public static int bytes(String format) {
        return switch (format) {
            case "F32" -> 4;
            case "F16", "BF16" -> 2;
            default -> 0;
        };
    }

    /** Converts all remaining elements of {@code source}. Both buffers are little-endian. Throws if a finite number exceeds F16. */
    public static void convert(ByteBuffer source, String from, ByteBuffer destination, String to) {
        source.order(ByteOrder.LITTLE_ENDIAN);
        destination.order(ByteOrder.LITTLE_ENDIAN);
        if (from.equals(to)) {
            destination.put(source);
            return;
        }
        while (source.hasRemaining()) {
            float value = read(source, from);
            switch (to) {
                case "F32" -> destination.putFloat(value);
                case "BF16" -> destination.putShort(toBfloat16(value));
                case "F16" -> destination.putShort(toFloat16(value));
                default ->
                    throw new Dpo4jException("weights of type " + to + " cannot be written; use F32, F16 or BF16");
            }
        }
    }

    private static float read(ByteBuffer source, String from) {
        return switch (from) {
            case "F32" -> source.getFloat();
            case "F16" -> fromFloat16(source.getShort());
            case "BF16" -> fromBfloat16(source.getShort());
            default -> throw new Dpo4jException("weights of type " + from + " cannot be read; use F32, F16 or BF16");
        };
    }

    /** The bfloat16 number next to {@code value}. */
    public static float roundToBfloat16(float value) {
        return fromBfloat16(toBfloat16(value));
    }

    static float fromBfloat16(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    static short toBfloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) (bits >>> 16 | 0x40); // a payload in the lower half alone would round to infinity
        }
        return (short) ((bits + 0x7fff + (bits >>> 16 & 1)) >>> 16);
    }

    static float fromFloat16(short bits) {
        int sign = (bits & 0x8000) << 16;
        int exponent = bits >>> 10 & 0x1f;
        int fraction = bits & 0x3ff;
        if (exponent == 0x1f) {
            return Float.intBitsToFloat(sign | 0x7f800000 | fraction << 13);
        }
        if (exponent == 0) {
            float subnormal = fraction * 0x1p-24f;
            return sign == 0 ? subnormal : -subnormal;
        }
        return Float.intBitsToFloat(sign | (exponent + 112) << 23 | fraction << 13);
    }

    /** Throws if a finite value rounds to infinity. */
    static short toFloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        int sign = bits >>> 16 & 0x8000;
        int size = bits & 0x7fffffff;
        if (size > 0x7f800000) {
            return (short) (sign | 0x7e00 | size >>> 13 & 0x3ff);
        }
        if (size == 0x7f800000) {
            return (short) (sign | 0x7c00);
        }
        if (size >= 0x477ff000) { // 65520 is halfway between 65504, the largest number, and the next power of two
            throw new Dpo4jException(value + " is beyond 65504, the largest number of float16; save in float32");
        }
        if (size < 0x38800000) { // below 2^-14 numbers are multiples of 2^-24
            return (short) (sign | (int) Math.rint(Math.abs(value) * 0x1p24f));
        }
        int rebiased = size - (112 << 23);
        return (short) (sign | (rebiased + 0xfff + (rebiased >>> 13 & 1)) >>> 13);
    }
}
