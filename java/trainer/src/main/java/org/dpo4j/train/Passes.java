package org.dpo4j.train;

import java.util.Arrays;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.model.PassMemory;

/**
 * What the passes of a run take of the device.
 *
 * @param training of its micro-batches
 * @param reference of the batches before the first step; given back then
 * @param evaluation of the batches between steps
 */
public record Passes(PassMemory training, PassMemory reference, PassMemory evaluation) {

    /** Of a run that has none. */
    static final Passes NONE = new Passes(PassMemory.NONE, PassMemory.NONE, PassMemory.NONE);

    /**
     * Sizes that the memory of a batch depends on. Memory does not fall when one of them grows.
     *
     * @param rows of the decoder
     * @param tokens of completions
     * @param group maximum tokens of completions that a loss takes together
     * @param longest sequence
     * @param count of the data's rows
     */
    record BatchSize(long rows, long tokens, long group, long longest, long count) {
        static final BatchSize NONE = new BatchSize(0, 0, 0, 0, 0);

        BatchSize max(BatchSize other) {
            return new BatchSize(
                    Math.max(rows, other.rows),
                    Math.max(tokens, other.tokens),
                    Math.max(group, other.group),
                    Math.max(longest, other.longest),
                    Math.max(count, other.count));
        }

        /** Of both in one batch. */
        BatchSize plus(BatchSize other) {
            return new BatchSize(
                    rows + other.rows,
                    tokens + other.tokens,
                    Math.max(group, other.group),
                    Math.max(longest, other.longest),
                    count + other.count);
        }
    }

    /** Maximum memory of any batch. Only batches that are larger in some size than all before are packed. */
    static PassMemory maxMemory(
            Function<PackedBatch, PassMemory> measure,
            Stream<int[]> batches,
            Function<int[], BatchSize> size,
            Function<int[], PackedBatch> pack) {
        PassMemory memory = PassMemory.NONE;
        BatchSize max = BatchSize.NONE;
        for (int[] rows : (Iterable<int[]>) batches::iterator) {
            BatchSize larger = max.max(size.apply(rows));
            if (!larger.equals(max)) {
                max = larger;
                memory = memory.max(measure.apply(pack.apply(rows)));
            }
        }
        return memory;
    }

    /** Rows 0 to {@code rows}, {@code batch} at a time, in order. */
    static Stream<int[]> inOrder(int rows, int batch) {
        return inOrder(IntStream.range(0, rows).toArray(), batch);
    }

    /** These rows, {@code batch} at a time, in order. */
    static Stream<int[]> inOrder(int[] rows, int batch) {
        return LongStream.iterate(0, begin -> begin < rows.length, begin -> begin + batch)
                .mapToObj(begin -> Arrays.copyOfRange(rows, (int) begin, (int) Math.min(rows.length, begin + batch)));
    }
}
