package org.dpo4j.testkit;

import java.util.Random;
import java.util.stream.IntStream;

/** Seeded values for inputs. */
public final class Draw {
    private final Random random;

    public Draw(long seed) {
        random = new Random(seed);
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
