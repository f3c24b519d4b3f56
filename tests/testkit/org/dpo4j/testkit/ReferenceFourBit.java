package org.dpo4j.testkit;

import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.QuantType;
import org.dpo4j.kernels.decoder.Quantize4bit;

/** NF4 and FP4 as bitsandbytes computes them. Each product and sum is rounded to fp32, so the results are exact. */
public final class ReferenceFourBit {
    private ReferenceFourBit() {}

    /**
     * The absmax of blocks in 8 bits.
     *
     * @param codes a code for each block
     * @param map of the codes
     * @param factors one for each 256 blocks
     * @param offset added to each
     */
    public record Nested(int[] codes, float[] map, float[] factors, float offset) {
        /** The absmax values. */
        public float[] absmax() {
            float[] absmax = new float[codes.length];
            for (int i = 0; i < codes.length; i++) {
                absmax[i] = map[codes[i]] * factors[i / Quantize4bit.NESTED_BLOCK] + offset;
            }
            return absmax;
        }
    }

    /** Max |x| of each block. */
    public static float[] absmax(float[] x) {
        float[] absmax = new float[Math.toIntExact(Quantize4bit.blocks(x.length))];
        for (int i = 0; i < x.length; i++) {
            int block = i / Quantize4bit.BLOCK;
            absmax[block] = Math.max(absmax[block], Math.abs(x[i]));
        }
        return absmax;
    }

    /** The codes of all elements, two in a byte. */
    public static byte[] codes(float[] x, QuantType type) {
        float[] absmax = absmax(x);
        byte[] codes = new byte[Math.toIntExact(Quantize4bit.codeBytes(x.length))];
        for (int i = 0; i < 2 * codes.length; i++) {
            float factor = 1 / Math.max(1e-38f, absmax[Math.min(i, x.length - 1) / Quantize4bit.BLOCK]);
            codes[i / 2] |= (byte) (nearest(type.map(), i < x.length ? x[i] * factor : 0) << 4 * (1 - i % 2));
        }
        return codes;
    }

    /**
     * The code of the nearest number: the largest one such that x is above the middle, rounded to fp32, between it and the
     * one before it. Of 0 and -0 it is the one with the sign of x.
     */
    private static int nearest(float[] map, float x) {
        List<Integer> sorted = IntStream.range(0, map.length)
                .boxed()
                .sorted(Comparator.comparing(code -> map[code])) // Float.compare: -0 is before 0
                .toList();
        int nearest = sorted.get(0);
        for (int i = 1; i < map.length; i++) {
            float one = map[sorted.get(i - 1)];
            float two = map[sorted.get(i)];
            boolean isAbove = one == two ? x >= 0 : x > (one + two) / 2;
            nearest = isAbove ? sorted.get(i) : nearest;
        }
        return nearest;
    }

    /** Element {@code i}, rounded to {@code valueDtype} and then to {@code dtype}. */
    public static double value(byte[] codes, int i, float[] absmax, QuantType type, DType valueDtype, DType dtype) {
        int code = codes[i / 2] >> 4 * (1 - i % 2) & 15;
        double value = type.map()[code] * absmax[i / Quantize4bit.BLOCK];
        return rounded(rounded(value, valueDtype), dtype);
    }

    private static double rounded(double value, DType dtype) {
        return switch (dtype) {
            case F32 -> (float) value;
            case BF16 -> Bfloat16.value(Bfloat16.bits((float) value));
            case F16 -> Binary16.value(Binary16.bits((float) value));
        };
    }
}
