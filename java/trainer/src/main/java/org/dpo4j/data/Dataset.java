package org.dpo4j.data;

import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;

/**
 * The rows of a file as token ids, in file order.
 *
 * @param rows at least one
 * @param report what was left out, cut or moved
 */
public record Dataset<T>(List<T> rows, DatasetReport report) {

    /**
     * Reads pairs: {@code prompt, chosen, rejected} as text or as {@code _ids}, or transcripts {@code chosen,
     * rejected}.
     */
    public static Dataset<PreferencePair> pairs(Path file, ReadOptions options) {
        DatasetReader<PreferencePair> pairs = DatasetReader.pairs(options);
        DatasetReader.read(file, RowFormats.PAIRS, List.of(pairs));
        return read(file, pairs);
    }

    /**
     * Reads sequences: {@code text}, {@code prompt, completion}, {@code ids}, or {@code prompt_ids, completion_ids}.
     */
    public static Dataset<Sequence> sequences(Path file, ReadOptions options) {
        DatasetReader<Sequence> sequences = DatasetReader.sequences(options);
        DatasetReader.read(file, RowFormats.SEQUENCES, List.of(sequences));
        return read(file, sequences);
    }

    /**
     * Reads what the file holds, in one reading, for it may be a pipe: pairs where a row can be used as one, as {@link
     * #pairs} would read them, and otherwise sequences.
     */
    public static void read(
            Path file,
            ReadOptions options,
            Consumer<Dataset<PreferencePair>> ofPairs,
            Consumer<Dataset<Sequence>> ofSequences) {
        DatasetReader<PreferencePair> pairs = DatasetReader.pairs(options);
        DatasetReader<Sequence> sequences = DatasetReader.sequences(options);
        DatasetReader.read(file, RowFormats.ALL, List.of(pairs, sequences));
        if (pairs.isLikelierThan(sequences)) {
            ofPairs.accept(read(file, pairs));
        } else {
            ofSequences.accept(read(file, sequences));
        }
    }

    private static <T> Dataset<T> read(Path file, DatasetReader<T> reader) {
        return new Dataset<>(reader.rows(file), reader.report());
    }
}
