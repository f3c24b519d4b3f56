package org.dpo4j.train;

import java.util.Arrays;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.dpo4j.data.Shuffle;

/** The order of rows in each epoch. It depends only on the epoch, the seed, the rows and the options. */
final class RowOrder {
    /** Limits of transformers on the size of a group that is sorted: 50 steps, or a quarter of the rows. */
    private static final int MAX_GROUP_STEPS = 50;

    private static final int MIN_GROUPS = 4;

    private RowOrder() {}

    /** Maps an epoch, counted from 0, to its rows in the order in which they are read. {@code tokens}: those of each row. */
    static IntFunction<int[]> find(TrainOptions options, int[] tokens) {
        int rows = tokens.length;
        long seed = options.seeds().seed;
        StepOptions step = options.step();
        return switch (step.samplingStrategy()) {
            case RANDOM -> epoch -> Shuffle.order(rows, seed, epoch);
            case SEQUENTIAL -> epoch -> IntStream.range(0, rows).toArray();
            case GROUP_BY_LENGTH -> {
                long stepRows = (long) step.perDeviceTrainBatchSize * step.gradientAccumulationSteps;
                yield epoch -> grouped(Shuffle.order(rows, seed, epoch), tokens, stepRows);
            }
        };
    }

    /**
     * Groups rows by length, as {@code get_length_grouped_indices} of transformers does. The shuffled rows are cut into
     * groups of many steps, each sorted from long to short. The longest row is moved to the front, so that a step that needs
     * too much memory is the first. The other groups begin in random order, because the rows were shuffled.
     */
    static int[] grouped(int[] shuffled, int[] tokens, long stepRows) {
        long steps = Math.max(1, Math.min(shuffled.length / (stepRows * MIN_GROUPS), MAX_GROUP_STEPS));
        int group = (int) Math.min(shuffled.length, steps * stepRows);
        int[] order = new int[shuffled.length];
        int longest = 0;
        for (int begin = 0; begin < order.length; begin += group) {
            int end = Math.min(order.length, begin + group);
            sort(shuffled, begin, end, tokens, order);
            longest = tokens[order[begin]] > tokens[order[longest]] ? begin : longest;
        }
        int first = order[0];
        order[0] = order[longest];
        order[longest] = first;
        return order;
    }

    /** Sorts from long to short. Rows of equal length keep their order. */
    private static void sort(int[] shuffled, int begin, int end, int[] tokens, int[] into) {
        long[] keys = new long[end - begin];
        for (int i = 0; i < keys.length; i++) {
            keys[i] = (long) (Integer.MAX_VALUE - tokens[shuffled[begin + i]]) << Integer.SIZE | i;
        }
        Arrays.sort(keys);
        for (int i = 0; i < keys.length; i++) {
            into[begin + i] = shuffled[begin + (int) keys[i]];
        }
    }
}
