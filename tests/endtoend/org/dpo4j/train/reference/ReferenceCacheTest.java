package org.dpo4j.train.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PairLayout;
import org.dpo4j.data.PreferencePair;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Kept log-probs are read as they were written, or not at all. */
class ReferenceCacheTest {
    private static final String NAME = "0123456789abcdef".repeat(4);

    @TempDir
    private Path directory;

    private static RowHash hash(int row) {
        return new RowHash(0x9e3779b97f4a7c15L * (row + 1), row);
    }

    /** A pair's sums for even rows, a completion's sum for odd ones. */
    private static float[] sums(int row) {
        return row % 2 == 0 ? new float[] {-row - 0.25f, -2 * row - 0.5f} : new float[] {-row / 3f};
    }

    private static LogProbTable table(int begin, int end) {
        LogProbTable table = new LogProbTable();
        IntStream.range(begin, end).forEach(row -> table.add(hash(row), sums(row)));
        return table;
    }

    private ReferenceCache cache() {
        return new ReferenceCache(directory.resolve("made"), NAME);
    }

    private static void assertHas(LogProbTable table, int begin, int end) {
        for (int row = begin; row < end; row++) {
            assertThat(table.find(hash(row), sums(row).length))
                    .as("row %d", row)
                    .isEqualTo(sums(row));
        }
    }

    @Test
    void rowsOfAllWritesAreRead() throws IOException {
        assertThat(cache().read().rows()).isZero();
        cache().write(table(0, 200));
        cache().write(table(150, 300));
        LogProbTable read = cache().read();
        assertThat(read.rows()).isEqualTo(300);
        assertHas(read, 0, 300);
        assertThat(read.find(hash(300), 1)).isNull();
    }

    @Test
    void everyChangedByteIsFound() throws IOException {
        cache().write(table(0, 3));
        byte[] whole = Files.readAllBytes(cache().file());
        for (int at = 0; at < whole.length; at++) {
            byte[] changed = whole.clone();
            changed[at] ^= 0x10;
            Files.write(cache().file(), changed);
            assertThatThrownBy(() -> cache().read()).as("byte %d", at).isInstanceOf(IOException.class);
        }
        for (int length = 0; length < whole.length; length++) {
            Files.write(cache().file(), Arrays.copyOf(whole, length));
            assertThatThrownBy(() -> cache().read()).as("%d bytes", length).isInstanceOf(IOException.class);
        }
        cache().write(table(5, 6)); // replaces the damaged file
        assertThat(cache().read().rows()).isEqualTo(1);
    }

    /** The name says of which reference the log-probs are. */
    @Test
    void aRenamedFileIsRefused() throws IOException {
        cache().write(table(0, 3));
        ReferenceCache other = new ReferenceCache(directory.resolve("made"), NAME.replace('0', '1'));
        Files.move(cache().file(), other.file());
        assertThatThrownBy(other::read).isInstanceOf(IOException.class).hasMessage("it was renamed");
    }

    @Test
    void twoRunsAtOnceDoNotDamageTheFile() throws Exception {
        cache().write(table(0, 1));
        List<Thread> writers = IntStream.of(1, 2)
                .mapToObj(writer -> new Thread(() -> {
                    for (int i = 0; i < 25; i++) {
                        cache().write(table(100 * writer, 100 * writer + i));
                    }
                }))
                .toList();
        writers.forEach(Thread::start);
        while (writers.stream().anyMatch(Thread::isAlive)) {
            LogProbTable read = cache().read(); // throws if it is not whole
            assertHas(read, 0, 1);
        }
        for (Thread writer : writers) {
            writer.join();
        }
        assertThat(cache().read().rows()).isBetween(1 + 24, 1 + 2 * 24);
        try (var files = Files.list(directory.resolve("made"))) {
            assertThat(files).hasSize(1);
        }
    }

    @Test
    void filesThatNoRunUsesAreDeleted() throws IOException {
        ReferenceCache old = new ReferenceCache(directory.resolve("made"), NAME.replace('0', '1'));
        old.write(table(0, 1));
        Path foreign = Files.writeString(directory.resolve("made/notes.txt"), "x");
        FileTime longAgo =
                FileTime.from(Instant.now().minus(ReferenceCache.MAX_AGE).minusSeconds(60));
        Files.setLastModifiedTime(old.file(), longAgo);
        Files.setLastModifiedTime(foreign, longAgo);
        old.read(); // a use
        cache().write(table(0, 1));
        assertThat(old.file()).exists();
        Files.setLastModifiedTime(old.file(), longAgo);
        cache().write(table(0, 1));
        assertThat(old.file()).doesNotExist();
        assertThat(foreign).exists();
    }

    /** Prompt, completions and their borders change the hash; the line of the file does not. */
    @Test
    void theHashIsOfTheTokensAndTheirBorders() {
        List<PreferencePair> different = List.of(
                pair(1, new int[] {1, 2}, new int[] {3, 4}, new int[] {5}),
                pair(1, new int[] {1}, new int[] {2, 3, 4}, new int[] {5}),
                pair(1, new int[] {1, 2}, new int[] {3}, new int[] {4, 5}),
                pair(1, new int[] {1, 2}, new int[] {5}, new int[] {3, 4}),
                pair(1, new int[] {1, 2}, new int[] {3, 4}, new int[] {6}));
        Set<RowHash> hashes = new HashSet<>();
        different.forEach(pair -> hashes.add(find(pair, true)));
        hashes.add(find(different.get(0), false));
        assertThat(hashes).hasSize(different.size() + 1);
        assertThat(find(pair(9, new int[] {1, 2}, new int[] {3, 4}, new int[] {5}), true))
                .isEqualTo(find(different.get(0), true));
    }

    private static PreferencePair pair(int line, int[] prompt, int[] chosen, int[] rejected) {
        return new PreferencePair(line, prompt, chosen, rejected);
    }

    private static RowHash find(PreferencePair pair, boolean isPrefixShared) {
        return RowHash.find(PackedBatch.pairs(List.of(pair), new PairLayout(isPrefixShared, Integer.MAX_VALUE)));
    }
}
