package org.dpo4j.data.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Rows that are written and read again, in memory, in a file, and in a file that is mapped in many parts. */
class StoredRowsTest {
    /** Rows of up to 400 ids, some of none. */
    private static final List<int[]> ROWS = new Random(3)
            .ints(300, 0, 400)
            .mapToObj(length ->
                    IntStream.range(0, length / 4 * 4).map(i -> i * length).toArray())
            .toList();

    private record Ids() implements RowCodec<int[]> {
        @Override
        public String kind() {
            return "ids";
        }

        @Override
        public int[] numbers(int[] row) {
            return new int[] {row.length};
        }

        @Override
        public int numberCount() {
            return 1;
        }

        @Override
        public int bytes(int[] row) {
            return Integer.BYTES * row.length;
        }

        @Override
        public void write(int[] row, ByteBuffer to) {
            RowCodec.putIds(to, row);
        }

        @Override
        public int[] read(ByteBuffer from, int[] numbers) {
            return RowCodec.getIds(from, numbers[0]);
        }
    }

    @TempDir
    Path directory;

    private StoreWriter<int[]> writer(int repeats) {
        StoreWriter<int[]> writer = new StoreWriter<>(new Ids(), new StoreDirectory(directory));
        for (int i = 0; i < repeats; i++) {
            ROWS.forEach(writer::add);
        }
        return writer;
    }

    private static void assertRows(StoredRows<int[]> rows, int repeats) {
        assertThat(rows).hasSize(repeats * ROWS.size());
        for (int i = rows.size() - 1; i >= 0; i--) {
            assertThat(rows.get(i)).isEqualTo(ROWS.get(i % ROWS.size()));
            assertThat(rows.numbers(i)).containsExactly(ROWS.get(i % ROWS.size()).length);
        }
        assertThatThrownBy(() -> rows.get(rows.size())).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> rows.get(-1)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void fewRowsNeedNoFile() {
        try (StoreWriter<int[]> writer = writer(1)) {
            StoredRows<int[]> rows = writer.finish(null, "");
            assertThat(rows.isMapped()).isFalse();
            assertRows(rows, 1);
        }
        assertThat(directory).isEmptyDirectory();
    }

    /** 300 rows of 800 bytes on average, 60 times: 14 MB. */
    @Test
    void aFileOfOneRunIsDeletedButStaysReadable() {
        StoredRows<int[]> rows;
        try (StoreWriter<int[]> writer = writer(60)) {
            assertThat(directory).isNotEmptyDirectory();
            rows = writer.finish(null, "");
        }
        assertThat(directory).isEmptyDirectory();
        assertThat(rows.isMapped()).isTrue();
        assertRows(rows, 60);
    }

    /** The smallest part has less than the longest row, and index parts of 21 and more rows. */
    @ParameterizedTest
    @ValueSource(ints = {8, 11, 16, 30})
    void aFileMayBeMappedInParts(int partBits) throws IOException {
        try (StoreWriter<int[]> writer = writer(1)) {
            assertRows(writer.finish("name", "notes"), 1);
        }
        Path file = directory.resolve("name.rows");
        assertThat(StoredRows.notes(file)).isEqualTo("notes");
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            ByteBuffer header = ByteBuffer.allocate(StoreHeader.BYTES);
            channel.read(header, 0);
            StoreHeader read = StoreHeader.read(header.flip(), channel.size());
            assertRows(StoredRows.map(new Ids(), channel, read, partBits), 1);
        }
    }
}
