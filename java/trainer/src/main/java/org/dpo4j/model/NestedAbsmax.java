package org.dpo4j.model;

import org.dpo4j.kernels.decoder.Dequantize4bit;
import org.dpo4j.kernels.decoder.Quantize4bit;

/**
 * The absmax values of a tensor in 8 bits, as bitsandbytes stores them (double quantisation): {@code map[code] * factor +
 * offset}. The host computes this while it loads a model, because there is one absmax for 64 weights.
 *
 * @param codes one for each absmax
 * @param factors one for each {@value Quantize4bit#NESTED_BLOCK} absmax values
 */
record NestedAbsmax(byte[] codes, float[] factors, float offset) {
    private static final float[] MAP = map();

    /** Middles between a number of the map and the next. */
    private static final float[] MIDDLES = middles();

    private static final float SMALLEST = 1e-38f;

    /** The map of 256 numbers, in ascending order. */
    static float[] numbers() {
        return MAP.clone();
    }

    /** The offset is the mean, computed in double and rounded to float. torch sums in float, in another order. */
    static float mean(float[] absmax) {
        double sum = 0;
        for (float each : absmax) {
            sum += each;
        }
        return (float) (sum / absmax.length);
    }

    /** The codes of the nearest numbers, in units of the max distance from the offset in each block. */
    static NestedAbsmax quantise(float[] absmax, float offset) {
        byte[] codes = new byte[absmax.length];
        int block = Quantize4bit.NESTED_BLOCK;
        float[] factors = new float[(absmax.length + block - 1) / block];
        for (int i = 0; i < absmax.length; i++) {
            factors[i / block] = Math.max(factors[i / block], Math.abs(absmax[i] - offset));
        }
        for (int i = 0; i < absmax.length; i++) {
            float perFactor = 1 / Math.max(factors[i / block], SMALLEST);
            codes[i] = (byte) nearest((absmax[i] - offset) * perFactor);
        }
        return new NestedAbsmax(codes, factors, offset);
    }

    /** The number of middles below x, by binary search. */
    private static int nearest(float x) {
        int code = 0;
        for (int step = Dequantize4bit.NESTED_CODES / 2; step > 0; step /= 2) {
            code += x > MIDDLES[code + step - 1] ? step : 0;
        }
        return code;
    }

    private static float[] middles() {
        float[] middles = new float[MAP.length - 1];
        for (int i = 0; i < middles.length; i++) {
            middles[i] = (MAP[i] + MAP[i + 1]) / 2;
        }
        return middles;
    }

    /**
     * {@code create_dynamic_map} of bitsandbytes with its roundings to float: decade i, from 0 to 6, has 2^i numbers between
     * 10^(i - 7) and 10^(i - 6) with both signs. Besides these there are 0 and 1.
     */
    private static float[] map() {
        float[] map = new float[Dequantize4bit.NESTED_CODES];
        int positive = map.length / 2;
        for (int decade = 0; decade < 7; decade++) {
            int count = 1 << decade;
            for (int i = 0; i < count; i++) {
                float mean = (boundary(i, count) + boundary(i + 1, count)) / 2;
                float number = (float) Math.pow(10, decade - 6) * mean;
                map[positive + count - 1 + i] = number;
                map[positive - 1 - count - i] = -number;
            }
        }
        map[positive - 1] = 0;
        map[map.length - 1] = 1;
        return map;
    }

    /** {@code torch.linspace(0.1, 1, count + 1)} on a processor with fma: counted from the nearer end. */
    private static float boundary(int i, int count) {
        float step = (1 - 0.1f) / count;
        return i < (count + 1) / 2 ? Math.fma(step, i, 0.1f) : Math.fma(-step, count - i, 1f);
    }
}
