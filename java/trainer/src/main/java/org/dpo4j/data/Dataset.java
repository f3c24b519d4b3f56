package org.dpo4j.data;

import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.dpo4j.data.row.RowFormat;
import org.dpo4j.data.row.RowFormats;

/**
 * The rows of a file as token ids, in file order.
 *
 * @param rows at least one
 * @param report numbers of rows used, cut and skipped
 */
public record Dataset<T>(List<T> rows, DatasetReport report) {

    /**
     * Reads preference pairs. A row has the columns {@code prompt, chosen, rejected}, or {@code prompt_ids, chosen_ids,
     * rejected_ids}, or transcripts in {@code chosen, rejected}.
     */
    public static Dataset<PreferencePair> pairs(Path file, ReadOptions options) {
        DatasetReader<PreferencePair> pairs = pairs(options, RowFormats.PAIRS);
        DatasetReader.read(file, List.of(pairs));
        return read(file, pairs);
    }

    /**
     * Reads sequences. A row has the columns {@code text}, or {@code prompt, completion}, or {@code ids}, or {@code
     * prompt_ids, completion_ids}.
     */
    public static Dataset<Sequence> sequences(Path file, ReadOptions options) {
        DatasetReader<Sequence> sequences = sequences(options, RowFormats.SEQUENCES);
        DatasetReader.read(file, List.of(sequences));
        return read(file, sequences);
    }

    /**
     * Reads pairs if any row can be used as a pair, else sequences. The file is read only once, because it may be a
     * pipe. Calls one of the consumers.
     */
    public static void read(
            Path file,
            ReadOptions options,
            Consumer<Dataset<PreferencePair>> pairConsumer,
            Consumer<Dataset<Sequence>> sequenceConsumer) {
        DatasetReader<PreferencePair> pairs = pairs(options, RowFormats.ALL);
        DatasetReader<Sequence> sequences = sequences(options, RowFormats.ALL);
        DatasetReader.read(file, List.of(pairs, sequences));
        if (pairs.isLikelierThan(sequences)) {
            pairConsumer.accept(read(file, pairs));
        } else {
            sequenceConsumer.accept(read(file, sequences));
        }
    }

    private static DatasetReader<PreferencePair> pairs(ReadOptions options, List<RowFormat> named) {
        return new DatasetReader<>(options.onBadRow(), RowConverter.pairs(options, named));
    }

    private static DatasetReader<Sequence> sequences(ReadOptions options, List<RowFormat> named) {
        return new DatasetReader<>(options.onBadRow(), RowConverter.sequences(options, named));
    }

    private static <T> Dataset<T> read(Path file, DatasetReader<T> reader) {
        return new Dataset<>(reader.rows(file), reader.report());
    }
}
