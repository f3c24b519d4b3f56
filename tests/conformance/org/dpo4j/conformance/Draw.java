package org.dpo4j.conformance;

import java.util.Random;
import java.util.stream.IntStream;

/** Seeded values for inputs. */
final class Draw {
    private final Random random;

    Draw(long seed) {
        random = new Random(seed);
    }

    double[] normal(int count, double scale) {
        return IntStream.range(0, count)
                .mapToDouble(i -> scale * random.nextGaussian())
                .toArray();
    }

    double[] uniform(int count, double low, double high) {
        return random.doubles(count, low, high).toArray();
    }

    int[] indices(int count, int end) {
        return count == 0 ? new int[0] : random.ints(count, 0, end).toArray();
    }

    /** 0 to count - 1 in some order. */
    int[] permutation(int count) {
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
