package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.data.TestData.pair;

import java.io.IOException;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.dpo4j.data.source.RowSources;
import org.dpo4j.kernels.Dpo4jException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Converted rows are kept for later runs, under everything that they depend on. */
class DatasetCacheTest {
    private static final String ROWS =
            pair("c", "d", "e") + "\n" + pair("cc", "ddd", "a") + "\n" + pair("c", "d", "") + "\n";

    @TempDir
    Path directory;

    private final List<String> stored = new ArrayList<>();
    private final List<String> notices = new ArrayList<>();
    private Path file = Path.of("");
    private Path cache = Path.of("");

    @BeforeEach
    void writeRows() {
        file = TestData.write(directory, "rows.jsonl", ROWS);
        LetterTokenizer.write(directory, true);
        cache = directory.resolve("not there yet/cache");
    }

    private Dataset<PreferencePair> load(@SuppressWarnings("NullAway") Boolean isKept) {
        return load(isKept, options -> options);
    }

    private Dataset<PreferencePair> load(Boolean isKept, UnaryOperator<ReadOptions> change) {
        ReadListener listener = new ReadListener() {
            @Override
            public void converted(long rows, double share) {}

            @Override
            public void stored(String line) {
                stored.add(line);
            }

            @Override
            public void notice(String line) {
                notices.add(line);
            }
        };
        try (Tokenizer tokenizer = Tokenizer.load(directory, LetterTokenizer.SIZE)) {
            ReadOptions options = change.apply(LetterTokenizer.options(tokenizer, OnBadRow.SKIP));
            return Dataset.pairs(RowSources.named(file), options, new DatasetCache(cache, isKept), listener);
        }
    }

    private List<Path> files() throws IOException {
        try (Stream<Path> files = Files.list(cache)) {
            return files.toList();
        }
    }

    private Path store() throws IOException {
        assertThat(files()).hasSize(1);
        return files().get(0);
    }

    private static void assertRows(Dataset<PreferencePair> pairs) {
        assertThat(pairs.rows()).extracting(PreferencePair::row).containsExactly(1, 2);
        assertThat(pairs.rows().get(1).prompt()).containsExactly(0, 4, 4);
        assertThat(pairs.rows().get(1).chosen()).containsExactly(5, 5, 5, 1);
        assertThat(pairs.rows().get(1).rejected()).containsExactly(2, 1);
        assertThat(pairs.rows().get(1).outline().numbers()).startsWith(3, 4, 2, 0);
        assertThat(pairs.report().used()).isEqualTo(2);
        assertThat(pairs.report().skipped()).hasSize(1).containsKey("empty completion");
    }

    private void assertConverted(int runs) {
        assertThat(stored.stream().filter(line -> line.contains("converted at")))
                .as(stored.toString())
                .hasSize(runs);
    }

    @Test
    void aLaterRunTakesTheRowsFromTheStore() throws IOException {
        assertRows(load(true));
        assertConverted(1);
        assertThat(stored.get(0)).startsWith("2 rows in 0.0 MB, ").endsWith("; kept in " + cache + " for later runs");
        Dataset<PreferencePair> again = load(true);
        assertRows(again);
        assertThat(stored.get(1)).startsWith("2 rows in 0.0 MB from " + cache + ", written by an earlier run; ");
        assertThat(again.report()).isEqualTo(load(false).report());
        assertThat(notices).isEmpty();
        assertThat(store()).hasSize(Files.size(store()));
    }

    /** Small files are converted in less time than the stores of all of them are worth. */
    @Test
    void smallFilesAreNotKeptByDefault() throws IOException {
        try (Tokenizer tokenizer = Tokenizer.load(directory, LetterTokenizer.SIZE)) {
            ReadOptions options = LetterTokenizer.options(tokenizer, OnBadRow.SKIP);
            assertRows(
                    Dataset.pairs(RowSources.named(file), options, new DatasetCache(cache, null), ReadListener.NONE));
            assertThat(cache).doesNotExist();
            String many = pair("c", "d", "e" + " ".repeat(1000)) + "\n";
            Files.writeString(file, many.repeat(8_000_000 / many.length() + 1));
            Dataset.pairs(RowSources.named(file), options, new DatasetCache(cache, null), ReadListener.NONE);
            assertThat(store()).exists();
        }
    }

    @Test
    void falseKeepsNothing() {
        assertRows(load(false));
        assertThat(cache).doesNotExist();
        assertThat(stored).isEmpty();
    }

    @Test
    void anotherFileIsAnotherStore() throws IOException {
        load(true);
        FileTime time = Files.getLastModifiedTime(file);
        Files.writeString(file, ROWS.replace("ddd", "cdc")); // the same size
        Files.setLastModifiedTime(file, FileTime.from(time.toInstant().plusMillis(10)));
        assertThat(load(true).rows().get(1).chosen()).containsExactly(4, 5, 4, 1);
        Files.writeString(file, ROWS + pair("f", "d", "e"));
        Files.setLastModifiedTime(file, time); // the same time
        assertThat(load(true).rows()).hasSize(3);
        assertConverted(3);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "tokenizer.json",
                "tokenizer_config.json",
                "special_tokens_map.json",
                "chat_template.jinja",
                "additional_chat_templates/a.jinja"
            })
    void anotherTokenizerIsAnotherStore(String name) throws IOException {
        load(true);
        Path changed = directory.resolve(name);
        Files.createDirectories(directory.resolve("additional_chat_templates"));
        Files.writeString(changed, Files.exists(changed) ? Files.readString(changed) + " " : "{}");
        load(true);
        load(true);
        assertConverted(2);
    }

    @Test
    void otherOptionsAreAnotherStore() {
        load(true);
        load(true, old -> new ReadOptions(old.tokenizer(), 11, old.truncation(), OnBadRow.SKIP));
        load(true, old -> new ReadOptions(old.tokenizer(), 10, cut(TruncationMode.RAISE), OnBadRow.SKIP));
        load(true, old -> new ReadOptions(old.tokenizer(), 10, cut(TruncationMode.KEEP_START), OnBadRow.SKIP));
        assertConverted(4);
        assertThatThrownBy(
                        () -> load(true, old -> new ReadOptions(old.tokenizer(), 10, old.truncation(), OnBadRow.STOP)))
                .isInstanceOf(Dpo4jException.class);
        load(true);
        assertConverted(4);
    }

    private static Truncation cut(TruncationMode mode) {
        return new Truncation(mode, 50, null, null, null);
    }

    /** The options are part of the key as text, so each of them must say by its text what it is. */
    @Test
    void everyOptionSaysWhatItIs() throws NoSuchMethodException {
        requireText(ReadOptions.class);
        try (Tokenizer a = Tokenizer.load(directory, LetterTokenizer.SIZE);
                Tokenizer b = Tokenizer.load(directory, LetterTokenizer.SIZE)) {
            assertThat(LetterTokenizer.options(a, OnBadRow.SKIP))
                    .hasToString(LetterTokenizer.options(b, OnBadRow.SKIP).toString());
        }
    }

    private static void requireText(Class<?> options) throws NoSuchMethodException {
        for (RecordComponent option : options.getRecordComponents()) {
            Class<?> type = option.getType();
            if (type.isRecord()) {
                requireText(type);
            } else if (!type.isPrimitive() && !type.isInterface()) {
                assertThat(type.getMethod("toString").getDeclaringClass())
                        .as(option.toString())
                        .isNotEqualTo(Object.class);
            }
        }
    }

    /** A template that writes the date gives other rows tomorrow. */
    @Test
    void aTemplateThatReadsTheDateAddsIt() throws IOException {
        try (Tokenizer tokenizer = Tokenizer.load(directory, LetterTokenizer.SIZE)) {
            assertThat(tokenizer.toString()).matches("tokenizer [0-9a-f]{64}");
            Files.writeString(directory.resolve("chat_template.jinja"), "{{ strftime_now('%d %b %Y') }}");
            assertThat(tokenizer.toString()).matches("tokenizer [0-9a-f]{64} of " + LocalDate.now());
        }
    }

    /** Each byte of header, index and report is checked; bytes missing or added at the end are found by the length. */
    @Test
    void aDamagedStoreIsReplaced() throws IOException {
        load(true);
        byte[] good = Files.readAllBytes(store());
        int rows = 4 * (2 * 4 + 2 + 2 + 2 + 3 + 4 + 2); // four numbers of each row, and the ids with BOS and EOS
        List<byte[]> damaged = new ArrayList<>(List.of(
                new byte[0],
                Arrays.copyOf(good, 10),
                Arrays.copyOf(good, good.length - 1),
                Arrays.copyOf(good, good.length + 1)));
        for (int at = 0; at < good.length; at += at < 64 ? 4 : 1) {
            if (at < 60 || at >= 64 + rows) { // after 60 the header has padding
                byte[] changed = good.clone();
                changed[at] ^= 4;
                damaged.add(changed);
            }
        }
        for (byte[] bytes : damaged) {
            Files.write(store(), bytes);
            assertRows(load(true));
            assertThat(notices)
                    .last()
                    .asString()
                    .startsWith("the stored rows of " + file + " in " + cache + " cannot be used (it")
                    .endsWith("); the rows are converted again");
            assertThat(Files.readAllBytes(store())).isEqualTo(good);
        }
        assertThat(notices).hasSize(damaged.size());
    }

    @Test
    void unusedStoresAreDeleted() throws IOException {
        load(true);
        Path old = Files.move(store(), cache.resolve("old.rows"));
        Path recent = Files.copy(old, cache.resolve("recent.rows"));
        Path foreign = Files.writeString(cache.resolve("notes.txt"), "");
        Path leftOver = Files.writeString(cache.resolve(".0123.writing"), "");
        for (Path each : List.of(old, foreign)) {
            Files.setLastModifiedTime(each, FileTime.from(Instant.now().minus(Duration.ofDays(31))));
        }
        Files.setLastModifiedTime(recent, FileTime.from(Instant.now().minus(Duration.ofDays(29))));
        load(true);
        assertThat(old).doesNotExist();
        assertThat(leftOver).doesNotExist();
        assertThat(recent).exists();
        assertThat(foreign).exists();
        assertThat(files()).hasSize(3);
    }

    @Test
    void aDirectoryThatCannotBeMadeIsNamed() throws IOException {
        Files.writeString(directory.resolve("not there yet"), "");
        assertThatThrownBy(() -> load(true))
                .isInstanceOf(Dpo4jException.class)
                .hasMessage("the token store in " + cache + " cannot be written (" + directory.resolve("not there yet")
                        + " is a file, not a directory, after 0 MB); name a directory that this user can write to with"
                        + " dataset_cache_dir");
    }
}
