package org.dpo4j.data;

/**
 * The order of rows in an epoch: a random permutation that depends only on the seed, the epoch and the number of rows,
 * on every machine and Java version. It has a generator of its own, so other random choices do not change it.
 */
public final class Shuffle {

    private static final long GAMMA = 0x9E3779B97F4A7C15L;

    private long state;

    private Shuffle(long seed, int epoch) {
        state = mix(seed) + epoch;
        state = mix(state);
    }

    /** Fisher-Yates (Durstenfeld 1964) over {@code 0 .. rows-1}. */
    public static int[] order(int rows, long seed, int epoch) {
        Shuffle shuffle = new Shuffle(seed, epoch);
        int[] order = new int[rows];
        for (int i = 0; i < rows; i++) {
            order[i] = i;
        }
        for (int i = rows - 1; i > 0; i--) {
            int j = shuffle.below(i + 1);
            int swapped = order[i];
            order[i] = order[j];
            order[j] = swapped;
        }
        return order;
    }

    /** A uniform number in [0, 1), with 53 random bits. It depends only on the seed and the index. */
    public static double uniform(long seed, long index) {
        return (mix(mix(seed) + GAMMA * (index + 1)) >>> 11) * 0x1.0p-53;
    }

    /**
     * A uniform number in {@code 0 .. bound-1}: the high half of a product of 32 by 32 bits, with rejection to avoid
     * bias (Lemire 2019).
     */
    private int below(int bound) {
        long rejected = (1L << 32) % bound;
        long product;
        do {
            product = (next() >>> 32) * bound;
        } while ((product & 0xFFFFFFFFL) < rejected);
        return (int) (product >>> 32);
    }

    /** SplitMix64 (Steele, Lea, Flood 2014). */
    private long next() {
        state += GAMMA;
        return mix(state);
    }

    private static long mix(long z) {
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
