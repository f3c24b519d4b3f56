package org.dpo4j.testkit;

import java.util.Random;
import java.util.stream.IntStream;

/** Seeded values for inputs. */
public final class Draw {
    private final Random random;

    public Draw(long seed) {
        random = new UnsharedRandom(seed);
    }

    /** The numbers of {@link Random} in a third of the time: the state of that class is atomic. */
    private static final class UnsharedRandom extends Random {
        private static final long serialVersionUID = 1L;
        private static final long MULTIPLIER = 0x5DEECE66DL;
        private static final long MASK = (1L << 48) - 1;

        private long state;
        private boolean hasSecond;
        private double second;

        UnsharedRandom(long seed) {
            super(seed);
            state = (seed ^ MULTIPLIER) & MASK;
        }

        @Override
        protected int next(int bits) {
            state = state * MULTIPLIER + 0xB & MASK;
            return (int) (state >>> 48 - bits);
        }

        @Override
        public double nextGaussian() {
            if (hasSecond) {
                hasSecond = false;
                return second;
            }
            double x;
            double y;
            double square;
            do {
                x = 2 * nextDouble() - 1;
                y = 2 * nextDouble() - 1;
                square = x * x + y * y;
            } while (square >= 1 || square == 0);
            double factor = StrictMath.sqrt(-2 * StrictMath.log(square) / square);
            second = y * factor;
            hasSecond = true;
            return x * factor;
        }
    }

    public double[] normal(int count, double scale) {
        return IntStream.range(0, count)
                .mapToDouble(i -> scale * random.nextGaussian())
                .toArray();
    }

    public double[] uniform(int count, double low, double high) {
        return random.doubles(count, low, high).toArray();
    }

    public int[] indices(int count, int end) {
        return count == 0 ? new int[0] : random.ints(count, 0, end).toArray();
    }

    /** 0 to count - 1 in some order. */
    public int[] permutation(int count) {
        int[] order = IntStream.range(0, count).toArray();
        for (int i = count - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int kept = order[i];
            order[i] = order[j];
            order[j] = kept;
        }
        return order;
    }
}
