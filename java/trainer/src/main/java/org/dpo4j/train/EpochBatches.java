package org.dpo4j.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The micro-batches of an epoch.
 *
 * @param order its rows
 * @param ends micro-batch {@code m} has the rows {@code order[ends[m - 1]] .. order[ends[m] - 1]}
 * @param accumulation micro-batches of a step; the last step of an epoch may have fewer
 */
record EpochBatches(int[] order, int[] ends, int accumulation) {

    /** Micro-batches of {@code batch} rows; the last one may have fewer. */
    static EpochBatches byRows(int[] order, int batch, int accumulation) {
        int[] ends = new int[ceilDiv(order.length, batch)];
        for (int i = 0; i < ends.length; i++) {
            ends[i] = (int) Math.min(order.length, (i + 1L) * batch);
        }
        return new EpochBatches(order, ends, accumulation);
    }

    /**
     * Micro-batches of at most {@code batch} rows and at most {@code maxTokens} tokens. A micro-batch ends before the row
     * that would exceed one of them. A row with more tokens has a micro-batch of its own.
     */
    static EpochBatches byTokens(int[] order, int[] tokens, int batch, long maxTokens, int accumulation) {
        int[] ends = new int[order.length];
        int batches = 0;
        int begin = 0;
        long sum = 0;
        for (int i = 0; i < order.length; i++) {
            if (i > begin && (i - begin == batch || sum + tokens[order[i]] > maxTokens)) {
                ends[batches++] = i;
                begin = i;
                sum = 0;
            }
            sum += tokens[order[i]];
        }
        ends[batches++] = order.length;
        return new EpochBatches(order, Arrays.copyOf(ends, batches), accumulation);
    }

    /** All micro-batches, as row numbers. */
    Stream<int[]> all() {
        return IntStream.range(0, steps()).mapToObj(this::microBatches).flatMap(List::stream);
    }

    int steps() {
        return ceilDiv(ends.length, accumulation);
    }

    /** The micro-batches of a step of the epoch, counted from 0, as row numbers. */
    List<int[]> microBatches(int step) {
        List<int[]> batches = new ArrayList<>();
        int first = firstBatch(step);
        for (int batch = first; batch < firstBatch(step + 1); batch++) {
            batches.add(Arrays.copyOfRange(order, batch == 0 ? 0 : ends[batch - 1], ends[batch]));
        }
        return batches;
    }

    /** Number of rows of the first {@code steps} steps. */
    int rowsOf(int steps) {
        int batches = firstBatch(steps);
        return batches == 0 ? 0 : ends[batches - 1];
    }

    private int firstBatch(int step) {
        return (int) Math.min(ends.length, (long) step * accumulation);
    }

    static int ceilDiv(int a, int b) {
        return (int) (((long) a + b - 1) / b);
    }
}
