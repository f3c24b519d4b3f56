package org.dpo4j.testkit;

import java.util.Arrays;

/** The dynamic maps of 8-bit moments: create_dynamic_map of bitsandbytes, in double precision. */
public final class ReferenceDynamicMap {
    private static final int DECADES = 7;
    private static final int CODES = 256;

    private ReferenceDynamicMap() {}

    /** The 256 numbers, sorted. Each decade has twice as many as the one below, evenly spaced. */
    public static double[] values(boolean isSigned) {
        double[] values = new double[CODES];
        int filled = 0;
        for (int i = 0; i < DECADES; i++) {
            int count = 1 << (isSigned ? i : i + 1);
            for (int k = 0; k < count; k++) {
                double value = Math.pow(10, i - DECADES + 1) * (0.1 + 0.9 * (k + 0.5) / count);
                values[filled++] = value;
                if (isSigned) {
                    values[filled++] = -value;
                }
            }
        }
        values[filled++] = 1; // 0 is there already
        Arrays.sort(values);
        return values;
    }
}
