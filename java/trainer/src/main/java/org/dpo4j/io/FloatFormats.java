package org.dpo4j.io;

import java.nio.BufferOverflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.ShortBuffer;
import org.dpo4j.kernels.Dpo4jException;

/**
 * Float formats of weights, under safetensors' names, and conversions between them. Rounds to nearest, ties to even. Each
 * conversion is a loop of its own over views of the buffers, because a loop that chooses the format of every element takes
 * 30 times as long.
 */
public final class FloatFormats {
    /** The largest float that float16 stores as a finite number; above it is the middle between 65504 and 65536. */
    public static final float MAX_FLOAT16 = Math.nextDown(65520f);

    /** The float32 value of each of the 65536 float16 bit patterns. The table takes 256 KiB and stays in the L2 cache. */
    private static final float[] FLOAT16 = new float[1 << 16];

    static {
        for (int bits = 0; bits < FLOAT16.length; bits++) {
            FLOAT16[bits] = fromFloat16((short) bits);
        }
    }

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
        int count = source.remaining() / bytes(from);
        if ((long) count * bytes(to) > destination.remaining()) {
            throw new BufferOverflowException();
        }
        switch (from + " to " + to) {
            case "F16 to F32" -> fromFloat16(source.asShortBuffer(), destination.asFloatBuffer());
            case "BF16 to F32" -> fromBfloat16(source.asShortBuffer(), destination.asIntBuffer());
            case "F32 to F16" -> toFloat16(source.asFloatBuffer(), destination.asShortBuffer());
            case "F32 to BF16" -> toBfloat16(source.asFloatBuffer(), destination.asShortBuffer());
            case "F16 to BF16" -> between(source, FloatFormats::fromFloat16, destination, FloatFormats::toBfloat16);
            case "BF16 to F16" -> between(source, FloatFormats::fromBfloat16, destination, FloatFormats::toFloat16);
            default ->
                throw new Dpo4jException(
                        "weights of type " + from + " cannot be converted to " + to + "; use F32, F16 or BF16");
        }
        source.position(source.limit());
        destination.position(destination.position() + count * bytes(to));
    }

    /** The index of the first of the remaining elements that is NaN or infinite: all bits of its exponent are 1. -1 if none is. */
    public static int firstNotFinite(ByteBuffer source, String format) {
        ByteBuffer numbers = source.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        int mask = format.equals("F32") ? 0x7f800000 : format.equals("F16") ? 0x7c00 : 0x7f80;
        int size = bytes(format);
        int count = numbers.remaining() / size;
        for (int i = 0; i < count; i++) {
            int at = numbers.position() + i * size;
            int bits = size == 4 ? numbers.getInt(at) : numbers.getShort(at);
            if ((bits & mask) == mask) {
                return i;
            }
        }
        return -1;
    }

    private static void fromFloat16(ShortBuffer source, FloatBuffer destination) {
        int count = source.remaining();
        for (int i = 0; i < count; i++) {
            destination.put(i, FLOAT16[source.get(i) & 0xffff]);
        }
    }

    private static void fromBfloat16(ShortBuffer source, IntBuffer destination) {
        int count = source.remaining();
        for (int i = 0; i < count; i++) {
            destination.put(i, source.get(i) << 16);
        }
    }

    private static void toFloat16(FloatBuffer source, ShortBuffer destination) {
        int count = source.remaining();
        for (int i = 0; i < count; i++) {
            destination.put(i, toFloat16(source.get(i)));
        }
    }

    private static void toBfloat16(FloatBuffer source, ShortBuffer destination) {
        int count = source.remaining();
        for (int i = 0; i < count; i++) {
            destination.put(i, toBfloat16(source.get(i)));
        }
    }

    private interface Widen {
        float apply(short bits);
    }

    private interface Narrow {
        short apply(float value);
    }

    private static void between(ByteBuffer source, Widen widen, ByteBuffer destination, Narrow narrow) {
        ShortBuffer from = source.asShortBuffer();
        ShortBuffer to = destination.asShortBuffer();
        while (from.hasRemaining()) {
            to.put(narrow.apply(widen.apply(from.get())));
        }
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

    /** The bits of the float16 number next to {@code value}. Throws if a finite value rounds to infinity. */
    public static short toFloat16(float value) {
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
