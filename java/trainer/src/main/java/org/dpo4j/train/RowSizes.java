package org.dpo4j.train;

import java.util.Arrays;
import java.util.function.IntFunction;
import java.util.function.IntToLongFunction;
import java.util.stream.IntStream;

/** The {@link Passes.BatchSize}s of rows, in arrays, because there may be millions. */
final class RowSizes {
    private final int[] rows;
    private final int[] tokens;
    private final int[] group;
    private final int[] longest;

    private long totalTokens;

    private RowSizes(int count) {
        rows = new int[count];
        tokens = new int[count];
        group = new int[count];
        longest = new int[count];
    }

    /** Asks for the size of each row once. {@code allTokens}: tokens of a row that {@link #totalTokens} adds. */
    static RowSizes measure(int count, IntFunction<Passes.BatchSize> size, IntToLongFunction allTokens) {
        RowSizes sizes = new RowSizes(count);
        for (int i = 0; i < count; i++) {
            Passes.BatchSize found = size.apply(i);
            sizes.rows[i] = Math.toIntExact(found.rows());
            sizes.tokens[i] = Math.toIntExact(found.tokens());
            sizes.group[i] = Math.toIntExact(found.group());
            sizes.longest[i] = Math.toIntExact(found.longest());
            sizes.totalTokens += allTokens.applyAsLong(i);
        }
        return sizes;
    }

    /** Tokens of all rows. */
    long totalTokens() {
        return totalTokens;
    }

    /** Decoder rows of each row of the data. */
    int[] decoderRows() {
        return rows;
    }

    /** Completion tokens of each row. */
    int[] completionTokens() {
        return tokens;
    }

    /** The size of a batch of these rows. */
    Passes.BatchSize sum(int[] batch) {
        Passes.BatchSize sum = Passes.BatchSize.NONE;
        for (int row : batch) {
            sum = sum.plus(new Passes.BatchSize(rows[row], tokens[row], group[row], longest[row], 1));
        }
        return sum;
    }

    /** Upper bound on the size of every batch of at most {@code batch} rows. */
    Passes.BatchSize bound(int batch) {
        return new Passes.BatchSize(
                maxSum(rows, batch),
                maxSum(tokens, batch),
                maxSum(group, 1),
                maxSum(longest, 1),
                Math.min(rows.length, batch));
    }

    private static long maxSum(int[] sizes, int batch) {
        int[] sorted = sizes.clone();
        Arrays.sort(sorted);
        return IntStream.of(sorted)
                .skip(Math.max(0, sorted.length - batch))
                .asLongStream()
                .sum();
    }
}
