package org.dpo4j.train;

import java.util.Arrays;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.model.PassMemory;

/**
 * Device memory of the forward and backward passes of a run.
 *
 * @param training maximum over the micro-batches
 * @param reference maximum over the batches of reference log-probs
 * @param evaluation maximum over the batches of evaluation
 */
public record Passes(PassMemory training, PassMemory reference, PassMemory evaluation) {

    /** No passes. */
    static final Passes NONE = new Passes(PassMemory.NONE, PassMemory.NONE, PassMemory.NONE);

    /**
     * Sizes that the memory of a batch depends on. Memory never decreases if one of them grows.
     *
     * @param rows rows of the decoder
     * @param tokens completion tokens
     * @param group maximum tokens of a group of completions whose loss is computed together
     * @param longest tokens of the longest sequence
     * @param count rows of data
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

        /** The size of one batch that contains both. */
        BatchSize plus(BatchSize other) {
            return new BatchSize(
                    rows + other.rows,
                    tokens + other.tokens,
                    Math.max(group, other.group),
                    Math.max(longest, other.longest),
                    count + other.count);
        }
    }

    /**
     * Maximum memory of the batches. Packs only batches that exceed all earlier ones in some size, and stops at {@code
     * bound}, which no batch exceeds.
     */
    static PassMemory maxMemory(
            Function<PackedBatch, PassMemory> measure,
            Stream<int[]> batches,
            Function<int[], BatchSize> size,
            Function<int[], PackedBatch> pack,
            BatchSize bound) {
        PassMemory memory = PassMemory.NONE;
        BatchSize max = BatchSize.NONE;
        for (int[] rows : (Iterable<int[]>) batches::iterator) {
            BatchSize larger = max.max(size.apply(rows));
            if (!larger.equals(max)) {
                max = larger;
                memory = memory.max(measure.apply(pack.apply(rows)));
            }
            if (max.equals(bound)) {
                break;
            }
        }
        return memory;
    }

    /** Splits rows 0 to {@code rows} - 1 into batches of {@code batch}, in order. */
    static Stream<int[]> inOrder(int rows, int batch) {
        return inOrder(IntStream.range(0, rows).toArray(), batch);
    }

    /** Splits rows into batches of {@code batch}, in order. */
    static Stream<int[]> inOrder(int[] rows, int batch) {
        return LongStream.iterate(0, begin -> begin < rows.length, begin -> begin + batch)
                .mapToObj(begin -> Arrays.copyOfRange(rows, (int) begin, (int) Math.min(rows.length, begin + batch)));
    }
}
