package org.dpo4j.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntToLongFunction;

/**
 * Batches of rows of similar length, for a pass whose result does not depend on the order of rows. Each has as many tokens
 * as the {@code batch} longest rows have together: short rows come in larger batches, so that all batches take about as
 * long, in the memory that the longest rows need. The longest are first, and the others are mixed, so that the time left
 * can be told from the share that is done.
 */
final class LengthBatches {
    /** The golden section, by which a step over all batches is far from all small fractions. */
    private static final double SECTION = 0.618;

    private LengthBatches() {}

    /** Splits these rows. {@code tokens}: tokens of a row. */
    static List<int[]> split(int[] rows, IntToLongFunction tokens, int batch) {
        int[] sorted = byLength(rows, tokens);
        long budget = Arrays.stream(sorted)
                .limit(batch)
                .mapToLong(tokens::applyAsLong)
                .sum();
        List<int[]> batches = new ArrayList<>();
        int begin = 0;
        long sum = 0;
        for (int i = 0; i < sorted.length; i++) {
            long next = tokens.applyAsLong(sorted[i]);
            if (sum + next > budget) {
                batches.add(Arrays.copyOfRange(sorted, begin, i));
                begin = i;
                sum = 0;
            }
            sum += next;
        }
        if (begin < sorted.length) {
            batches.add(Arrays.copyOfRange(sorted, begin, sorted.length));
        }
        return mixed(batches);
    }

    /** The longest first; rows of the same length in their order. */
    private static int[] byLength(int[] rows, IntToLongFunction tokens) {
        long[] keys = new long[rows.length];
        for (int i = 0; i < rows.length; i++) {
            keys[i] = (Integer.MAX_VALUE - tokens.applyAsLong(rows[i])) << Integer.SIZE | i;
        }
        Arrays.sort(keys);
        return Arrays.stream(keys).mapToInt(key -> rows[(int) key]).toArray();
    }

    private static List<int[]> mixed(List<int[]> batches) {
        int count = batches.size();
        int step = Math.max(1, (int) (SECTION * count));
        while (gcd(step, count) > 1) {
            step++;
        }
        List<int[]> mixed = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            mixed.add(batches.get((int) ((long) i * step % count)));
        }
        return mixed;
    }

    private static int gcd(int a, int b) {
        return b == 0 ? a : gcd(b, a % b);
    }
}
