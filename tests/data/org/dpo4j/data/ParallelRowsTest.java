package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.data.TestData.pair;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dpo4j.data.source.RowSources;
import org.dpo4j.kernels.Dpo4jException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Rows are converted on several threads. Results and errors are those of reading one row after the other. */
class ParallelRowsTest {
    private static final int ROWS = 3000;

    @TempDir
    Path directory;

    private static String row(int number) {
        return pair("c".repeat(1 + number % 7), "d".repeat(1 + number % 5), "e".repeat(1 + number % 11));
    }

    private static Stream<String> rows() {
        return IntStream.rangeClosed(1, ROWS).mapToObj(ParallelRowsTest::row);
    }

    private static int[] filled(int length, int begin, int id) {
        int[] ids = new int[length];
        Arrays.fill(ids, id);
        ids[0] = begin;
        return ids;
    }

    private static int[] ended(int length, int id) {
        int[] ids = new int[length + 1];
        Arrays.fill(ids, id);
        ids[length] = LetterTokenizer.EOS;
        return ids;
    }

    @Test
    void rowsKeepTheirOrder() {
        Path file = TestData.write(directory, "rows.jsonl", rows().collect(Collectors.joining("\n")));
        List<PreferencePair> pairs =
                LetterTokenizer.pairs(file, true, OnBadRow.STOP).rows();
        assertThat(pairs).hasSize(ROWS);
        for (int number = 1; number <= ROWS; number++) {
            PreferencePair pair = pairs.get(number - 1);
            assertThat(pair.row()).isEqualTo(number);
            assertThat(pair.prompt()).isEqualTo(filled(2 + number % 7, LetterTokenizer.BOS, LetterTokenizer.C));
            assertThat(pair.chosen()).isEqualTo(ended(1 + number % 5, LetterTokenizer.D));
            assertThat(pair.rejected()).isEqualTo(ended(1 + number % 11, LetterTokenizer.D + 1));
        }
    }

    /** A later row fails sooner, because it is malformed: this is found out before any row is converted. */
    @Test
    void theErrorIsThatOfTheFirstBadRow() {
        String bad = rows().limit(1500).collect(Collectors.joining("\n")) + "\n" + pair("c", "d", "") + "\n{\n";
        Path file = TestData.write(directory, "rows.jsonl", bad);
        assertThatThrownBy(() -> LetterTokenizer.pairs(file, true, OnBadRow.STOP))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageStartingWith(file + " line 1501: ");
    }

    /** The end of a damaged file is read ahead, while earlier rows are converted. */
    @Test
    void aBadRowComesBeforeTheEndOfADamagedFile() throws IOException {
        String bad = pair("c", "d", "") + "\n" + rows().collect(Collectors.joining("\n"));
        Path file = TestData.zip(directory, "rows.jsonl.gz", bad);
        byte[] zipped = Files.readAllBytes(file);
        Files.write(file, Arrays.copyOf(zipped, zipped.length - 8));
        assertThatThrownBy(() -> LetterTokenizer.pairs(file, true, OnBadRow.STOP))
                .hasMessageStartingWith(file + " line 1: rejected is empty");
        assertThatThrownBy(() -> LetterTokenizer.pairs(file, true, OnBadRow.SKIP))
                .hasMessageContaining("cannot be read");
    }

    @Test
    void theListenerCancels() {
        Path file = TestData.write(directory, "rows.jsonl", rows().collect(Collectors.joining("\n")));
        List<Long> reported = new ArrayList<>();
        ReadListener cancelling = (count, share) -> {
            reported.add(count);
            assertThat(share).isBetween(0.0, 1.0);
            if (count >= 1000) {
                throw new CancellationException();
            }
        };
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, true)) {
            ReadOptions options = LetterTokenizer.options(tokenizer, OnBadRow.STOP);
            assertThatThrownBy(() -> Dataset.pairs(RowSources.named(file), options, DatasetCache.NONE, cancelling))
                    .isInstanceOf(CancellationException.class);
        }
        assertThat(reported).isSorted().hasSizeGreaterThan(2).last().isEqualTo(1024L); // a multiple of 64
    }

    /** Four threads encode the same texts with one tokenizer. */
    @Test
    void aTokenizerMayBeUsedByThreadsAtOnce() {
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, true)) {
            List<String> texts = IntStream.range(0, 2000)
                    .mapToObj(i -> "ab".repeat(i % 13) + "cdef ".repeat(i % 7) + "a")
                    .toList();
            List<int[]> expected = texts.stream().map(tokenizer::encode).toList();
            List<int[]> encoded = texts.parallelStream().map(tokenizer::encode).toList();
            for (int i = 0; i < expected.size(); i++) {
                assertThat(encoded.get(i)).isEqualTo(expected.get(i));
            }
        }
    }
}
