package org.dpo4j.testkit;

/**
 * Philox4x32-10 (Salmon et al. 2011), written from the paper, and the stochastic rounding to bf16 that AdamW uses it
 * for.
 */
public final class ReferencePhilox {
    private static final int ROUNDS = 10;
    private static final long M0 = 0xD2511F53L;
    private static final long M1 = 0xCD9E8D57L;
    private static final int W0 = 0x9E3779B9;
    private static final int W1 = 0xBB67AE85;

    private ReferencePhilox() {}

    /** Figure 2 of the paper, with N = 4 and W = 32: four words of the counter, two of the key. */
    public static int[] bits(int[] counter, int[] key) {
        int[] x = counter.clone();
        for (int round = 0; round < ROUNDS; round++) {
            long product0 = M0 * (x[0] & 0xFFFFFFFFL);
            long product1 = M1 * (x[2] & 0xFFFFFFFFL);
            int key0 = key[0] + round * W0;
            int key1 = key[1] + round * W1;
            x = new int[] {
                (int) (product1 >>> 32) ^ x[1] ^ key0,
                (int) product1,
                (int) (product0 >>> 32) ^ x[3] ^ key1,
                (int) product0
            };
        }
        return x;
    }

    /** The 16 bits that dpo4j.h gives to an element of the parameter. */
    public static int sixteenBits(long seed, int step, long number) {
        return sixteenBits(seed, step, number, 0);
    }

    /** The 16 bits of an element of the parameter (0), of m (1) or of v (2). */
    public static int sixteenBits(long seed, int step, long number, int what) {
        long group = number / 8;
        int[] bits = bits(
                new int[] {(int) group, (int) (group >>> 32), step, what}, new int[] {(int) seed, (int) (seed >>> 32)});
        int j = (int) (number % 8);
        return bits[j / 2] >>> 16 * (j % 2) & 0xFFFF;
    }

    /** The one of the two bf16 neighbours of {@code exact} that {@code random} chooses. {@code exact} is finite. */
    public static float rounded(float exact, int random) {
        int bits = Float.floatToRawIntBits(exact);
        boolean up = (bits & 0xFFFF) + random >= 1 << 16;
        return Float.intBitsToFloat((bits & 0xFFFF0000) + (up ? 1 << 16 : 0));
    }
}
