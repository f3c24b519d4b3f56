package org.dpo4j.data;

import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.dpo4j.data.row.RowFormat;
import org.dpo4j.data.row.RowFormats;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.data.source.RowSources;

/**
 * The rows of a source as token ids, in its order.
 *
 * @param rows at least one
 * @param report numbers of rows used, cut and skipped
 */
public record Dataset<T>(List<T> rows, DatasetReport report) {

    /** Reads preference pairs from a file, or from a directory or data set with a split {@code train}. */
    public static Dataset<PreferencePair> pairs(Path file, ReadOptions options) {
        return pairs(RowSources.named(file), options);
    }

    /**
     * Reads preference pairs. A row has the columns {@code prompt, chosen, rejected}, or {@code prompt_ids, chosen_ids,
     * rejected_ids}, or transcripts in {@code chosen, rejected}.
     */
    public static Dataset<PreferencePair> pairs(RowSource source, ReadOptions options) {
        DatasetReader<PreferencePair> pairs = pairs(options, RowFormats.PAIRS);
        DatasetReader.read(source, List.of(pairs));
        return read(source, pairs);
    }

    /** Reads sequences from a file, or from a directory or data set with a split {@code train}. */
    public static Dataset<Sequence> sequences(Path file, ReadOptions options) {
        return sequences(RowSources.named(file), options);
    }

    /**
     * Reads sequences. A row has the columns {@code text}, or {@code prompt, completion}, or {@code ids}, or {@code
     * prompt_ids, completion_ids}.
     */
    public static Dataset<Sequence> sequences(RowSource source, ReadOptions options) {
        DatasetReader<Sequence> sequences = sequences(options, RowFormats.SEQUENCES);
        DatasetReader.read(source, List.of(sequences));
        return read(source, sequences);
    }

    /**
     * Reads pairs if any row can be used as a pair, else sequences. The rows are read only once, because they may be a
     * pipe. Calls one of the consumers.
     */
    public static void read(
            RowSource source,
            ReadOptions options,
            Consumer<Dataset<PreferencePair>> pairConsumer,
            Consumer<Dataset<Sequence>> sequenceConsumer) {
        DatasetReader<PreferencePair> pairs = pairs(options, RowFormats.ALL);
        DatasetReader<Sequence> sequences = sequences(options, RowFormats.ALL);
        DatasetReader.read(source, List.of(pairs, sequences));
        if (pairs.isLikelierThan(sequences)) {
            pairConsumer.accept(read(source, pairs));
        } else {
            sequenceConsumer.accept(read(source, sequences));
        }
    }

    private static DatasetReader<PreferencePair> pairs(ReadOptions options, List<RowFormat> named) {
        return new DatasetReader<>(options.onBadRow(), RowConverter.pairs(options, named));
    }

    private static DatasetReader<Sequence> sequences(ReadOptions options, List<RowFormat> named) {
        return new DatasetReader<>(options.onBadRow(), RowConverter.sequences(options, named));
    }

    private static <T> Dataset<T> read(RowSource source, DatasetReader<T> reader) {
        return new Dataset<>(reader.rows(source), reader.report());
    }
}
