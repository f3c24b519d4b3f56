package org.dpo4j.train;

import java.util.List;
import java.util.function.Function;
import java.util.function.IntFunction;
import java.util.function.ToIntFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.store.IndexedRows;
import org.dpo4j.model.PassMemory;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.train.reference.RowHash;
import org.jspecify.annotations.Nullable;

/**
 * Rows whose log-probs under the reference a run reads: one sum for each completion of a row.
 *
 * @param source the data set
 * @param read numbers of the rows that the run reads, in ascending order
 * @param isTrained whether they are rows to train on; else an evaluation reads them
 * @param completions what each sum of a row is of, for errors
 * @param given the sums that the rows state, those of row 0, then of row 1, ...; null if they state none
 */
record ReferenceRows<T>(
        Source<T> source, int[] read, boolean isTrained, List<String> completions, float @Nullable [] given) {

    /** A limit that no batch reaches. */
    private static final Passes.BatchSize UNLIMITED =
            new Passes.BatchSize(Long.MAX_VALUE, Long.MAX_VALUE, Long.MAX_VALUE, Long.MAX_VALUE, Long.MAX_VALUE);

    /**
     * A data set.
     *
     * @param rows all of its rows
     * @param pack packs rows as the reference model reads them
     * @param size the sizes of a row, by its number, without packing it
     * @param hash the hash of a row, by its number
     * @param number what its source gave a row, for errors
     */
    record Source<T>(
            List<T> rows,
            Function<List<T>, PackedBatch> pack,
            IntFunction<Passes.BatchSize> size,
            IntFunction<RowHash> hash,
            ToIntFunction<T> number) {}

    /** Rows of the data set. */
    int count() {
        return source.rows.size();
    }

    /** Sums of a row. */
    int sums() {
        return completions.size();
    }

    PackedBatch pack(int[] batch) {
        return source.pack.apply(IntStream.of(batch).mapToObj(source.rows::get).toList());
    }

    RowHash hash(int row) {
        return source.hash.apply(row);
    }

    /** File and line, or element, of a row, for errors. */
    String place(int row) {
        return IndexedRows.place(source.rows, row, source.number.applyAsInt(source.rows.get(row)));
    }

    /** Rows of the decoder for all rows that the run reads. */
    long tokens() {
        return IntStream.of(read).mapToLong(this::tokens).sum();
    }

    private long tokens(int row) {
        return source.size.apply(row).rows();
    }

    /** The batches of a pass over some rows; see {@link LengthBatches}. */
    List<int[]> batches(int[] chosen, int batch) {
        return LengthBatches.split(chosen, this::tokens, batch);
    }

    /** Maximum device memory of passes over these batches. */
    PassMemory memory(ScoringModel model, Stream<int[]> batches) {
        return Passes.maxMemory(model::memory, batches, this::size, this::pack, UNLIMITED);
    }

    private Passes.BatchSize size(int[] batch) {
        Passes.BatchSize sum = Passes.BatchSize.NONE;
        for (int row : batch) {
            sum = sum.plus(source.size.apply(row));
        }
        return sum;
    }
}
