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
     * What decides how much memory a batch takes; more of each takes no less.
     *
     * @param rows of the decoder
     * @param tokens of completions
     * @param group the most tokens of completions that a loss takes together
     * @param longest sequence
     * @param count of the data's rows
     */
    record Extent(long rows, long tokens, long group, long longest, long count) {
        static final Extent NONE = new Extent(0, 0, 0, 0, 0);

        Extent max(Extent other) {
            return new Extent(
                    Math.max(rows, other.rows),
                    Math.max(tokens, other.tokens),
                    Math.max(group, other.group),
                    Math.max(longest, other.longest),
                    Math.max(count, other.count));
        }

        /** Of both in one batch. */
        Extent plus(Extent other) {
            return new Extent(
                    rows + other.rows,
                    tokens + other.tokens,
                    Math.max(group, other.group),
                    Math.max(longest, other.longest),
                    count + other.count);
        }
    }

    /** What the largest batches take; only those that are larger in something than all before are packed. */
    static PassMemory largest(
            Function<PackedBatch, PassMemory> measure,
            Stream<int[]> batches,
            Function<int[], Extent> extent,
            Function<int[], PackedBatch> pack) {
        PassMemory memory = PassMemory.NONE;
        Extent most = Extent.NONE;
        for (int[] rows : (Iterable<int[]>) batches::iterator) {
            Extent larger = most.max(extent.apply(rows));
            if (!larger.equals(most)) {
                most = larger;
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
