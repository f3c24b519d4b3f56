package org.dpo4j.data.stats;

import java.util.Arrays;

/** Lengths of something that every row has. */
public final class Lengths {
    private static final int MAX_BINS = 20;

    private int[] values = new int[1024];
    private int count;
    private boolean isSorted;

    /**
     * A range of lengths.
     *
     * @param from the first length
     * @param to the last length
     * @param rows number of rows
     */
    public record Bin(int from, int to, int rows) {}

    void add(int length) {
        if (count == values.length) {
            values = Arrays.copyOf(values, count + count / 2);
        }
        values[count++] = length;
        isSorted = false;
    }

    /** Number of lengths. */
    public int count() {
        return count;
    }

    private int[] sorted() {
        if (!isSorted) {
            Arrays.sort(values, 0, count);
            isSorted = true;
        }
        return values;
    }

    /** The smallest length that at least this share of the rows does not exceed; 0 if there are none. */
    public int quantile(double share) {
        return count == 0 ? 0 : sorted()[Math.max(0, (int) Math.ceil(share * count) - 1)];
    }

    public int min() {
        return quantile(0);
    }

    public int max() {
        return quantile(1);
    }

    /** Sum of all lengths. */
    public long sum() {
        return Arrays.stream(values, 0, count).asLongStream().sum();
    }

    public double mean() {
        return count == 0 ? 0 : (double) sum() / count;
    }

    /** Number of rows longer than a limit. */
    public int above(int limit) {
        return (int)
                Arrays.stream(values, 0, count).filter(length -> length > limit).count();
    }

    /** At most {@value #MAX_BINS} ranges of equal width, 1, 2 or 5 times a power of ten, that hold all lengths. */
    public Bin[] histogram() {
        if (count == 0) {
            return new Bin[0];
        }
        int width = width();
        int first = min() / width;
        Bin[] bins = new Bin[max() / width - first + 1];
        int begin = 0;
        for (int bin = 0; bin < bins.length; bin++) {
            int from = (first + bin) * width;
            int end = begin;
            while (end < count && sorted()[end] < from + width) {
                end++;
            }
            bins[bin] = new Bin(from, from + width - 1, end - begin);
            begin = end;
        }
        return bins;
    }

    private int width() {
        int width = 1;
        for (int factor = 0; (max() / width) - (min() / width) >= MAX_BINS; factor++) {
            width = factor % 3 == 1 ? width / 2 * 5 : width * 2; // 1, 2, 5, 10, 20, 50, ...
        }
        return width;
    }
}
