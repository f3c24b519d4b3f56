package org.dpo4j.data;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.data.source.RowSources;

/**
 * The rows of a source as token ids, in its order. Each access to a row reads it from a store that is mapped into memory, so
 * the rows do not occupy the heap.
 *
 * @param rows at least one
 * @param report numbers of rows used, cut and skipped
 */
public record Dataset<T>(List<T> rows, DatasetReport report) {

    private Dataset(DatasetLoader.Loaded<T> loaded) {
        this(loaded.rows(), loaded.report());
    }

    /** Reads preference pairs from a file, or from a directory or data set with a split {@code train}. */
    public static Dataset<PreferencePair> pairs(Path file, ReadOptions options) {
        return pairs(RowSources.named(file), options, DatasetCache.NONE, ReadListener.NONE);
    }

    /**
     * Reads preference pairs, in any of the formats of pairs: {@code prompt, chosen, rejected} and others. A row of ranked
     * answers has several pairs.
     */
    public static Dataset<PreferencePair> pairs(
            RowSource source, ReadOptions options, DatasetCache cache, ReadListener listener) {
        return new Dataset<>(new DatasetLoader(source, options, cache, listener).load(RowKind.PAIRS));
    }

    /** Reads sequences from a file, or from a directory or data set with a split {@code train}. */
    public static Dataset<Sequence> sequences(Path file, ReadOptions options) {
        return sequences(RowSources.named(file), options, DatasetCache.NONE, ReadListener.NONE);
    }

    /**
     * Reads sequences, in any of the formats of completions: {@code text}, {@code prompt, completion}, {@code messages}
     * and others.
     */
    public static Dataset<Sequence> sequences(
            RowSource source, ReadOptions options, DatasetCache cache, ReadListener listener) {
        return new Dataset<>(new DatasetLoader(source, options, cache, listener).load(RowKind.SEQUENCES));
    }

    /**
     * Reads unpaired completions: rows with the columns {@code prompt, completion, label} or {@code prompt_ids,
     * completion_ids, label}. Pairs are read too. The chosen completion of a pair becomes a desirable row, the rejected one
     * an undesirable row.
     */
    public static Dataset<UnpairedCompletion> unpaired(
            RowSource source, ReadOptions options, DatasetCache cache, ReadListener listener) {
        List<Dataset<UnpairedCompletion>> read = new ArrayList<>();
        new DatasetLoader(source, options, cache, listener)
                .load(
                        RowKind.JUDGED,
                        RowKind.PAIRS,
                        judged -> read.add(new Dataset<>(judged)),
                        pairs -> read.add(new Dataset<>(new UnpairedRows(pairs.rows()), pairs.report())));
        return read.get(0);
    }

    /**
     * Reads pairs if any row can be used as a pair, else sequences. The rows are read only once, because they may be a
     * pipe. Calls one of the consumers.
     */
    public static void read(
            RowSource source,
            ReadOptions options,
            DatasetCache cache,
            ReadListener listener,
            Consumer<Dataset<PreferencePair>> pairConsumer,
            Consumer<Dataset<Sequence>> sequenceConsumer) {
        new DatasetLoader(source, options, cache, listener)
                .load(
                        RowKind.PAIRS,
                        RowKind.SCORED_SEQUENCES,
                        pairs -> pairConsumer.accept(new Dataset<>(pairs)),
                        sequences -> sequenceConsumer.accept(new Dataset<>(sequences)));
    }
}
