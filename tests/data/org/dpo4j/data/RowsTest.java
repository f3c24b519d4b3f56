package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.data.source.RowFiles;
import org.dpo4j.data.source.Rows;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Files of rows: every container, and every error with its line. */
class RowsTest {
    private static final String TWO_LINES = "{\"a\":1}\n{\"a\":2}\n";

    @TempDir
    Path directory;

    /** Each row as {@code number:value of a}. */
    private static List<String> read(Path file) {
        List<String> read = new ArrayList<>();
        try (Rows rows = RowFiles.open(file)) {
            for (boolean more = true; more; ) {
                try {
                    Rows.Row row = rows.next();
                    more = row != null;
                    if (row != null) {
                        read.add(row.number() + ":" + row.values().get("a").asText());
                    }
                } catch (BadRow bad) {
                    read.add(rows.number() + " bad: " + bad.getMessage());
                }
            }
        }
        return read;
    }

    private List<String> readText(String content) {
        return read(TestData.write(directory, "rows.jsonl", content));
    }

    @Test
    void aLineIsARow() {
        assertThat(readText(TWO_LINES)).containsExactly("1:1", "2:2");
        assertThat(readText("{\"a\":1}\n{\"a\":2}")).as("no last line end").containsExactly("1:1", "2:2");
        assertThat(readText("\n \t\n{\"a\":1}\n\n\n{\"a\":2}\n\n"))
                .as("blank lines are counted")
                .containsExactly("3:1", "6:2");
        assertThat(readText("{\"a\":1}\r\n\r\n{\"a\":2}\r\n"))
                .as("line ends of Windows")
                .containsExactly("1:1", "3:2");
        assertThat(readText("\ufeff" + TWO_LINES)).as("byte order mark").containsExactly("1:1", "2:2");
    }

    @Test
    void otherLineSeparatorsOfUnicodeStayInTheirText() {
        String text = "é中😀\u2028\u2029\u0085x";
        assertThat(readText("{\"a\":\"" + text + "\"}\n{\"a\":2}")).containsExactly("1:" + text, "2:2");
    }

    @Test
    void anArrayOfRows() {
        assertThat(readText("\n [ {\"a\":1},\n\n {\"a\":2} ] \n")).containsExactly("1:1", "2:2");
    }

    @Test
    void contentDecidesAboutCompressionNotTheName() {
        assertThat(read(TestData.zip(directory, "zipped.jsonl", TWO_LINES))).containsExactly("1:1", "2:2");
        assertThat(read(TestData.zip(directory, "rows.json.gz", "[{\"a\":1}]"))).containsExactly("1:1");
        assertThat(read(TestData.write(directory, "plain.jsonl.gz", TWO_LINES))).containsExactly("1:1", "2:2");
    }

    @Test
    void malformedLinesAreNamedAndTheOthersStillRead() {
        List<String> rows = readText("{\"a\":1}\n{\"a\":2\n{\"a\":3} {\"a\":4}\n[1]\n{\"a\":5,\"a\":6}\n{\"a\":7}\n");
        assertThat(rows).hasSize(6);
        assertThat(rows.get(0)).isEqualTo("1:1");
        assertThat(rows.get(1)).startsWith("2 bad: malformed JSON: ").contains("at column 7");
        assertThat(rows.get(2)).startsWith("3 bad: malformed JSON: ");
        assertThat(rows.get(3)).isEqualTo("4 bad: a JSON object is expected, not array");
        assertThat(rows.get(4)).startsWith("5 bad: malformed JSON: ").contains("the key \"a\" occurs twice");
        assertThat(rows.get(5)).isEqualTo("6:7");
    }

    @Test
    void bytesThatAreNotUtf8AreMalformed() {
        byte[] bytes = "{\"a\":\"x\"}\n".getBytes(StandardCharsets.ISO_8859_1);
        bytes[6] = (byte) 0xe9;
        assertThat(read(TestData.write(directory, "latin1.jsonl", bytes)).get(0))
                .startsWith("1 bad: malformed JSON: ");
    }

    @Test
    void anErrorInAnArrayEndsReadingAtItsRow() {
        assertError("[{\"a\":1},\n {\"a\" 2}]", "rows.jsonl row 2 is malformed JSON: ", "at line 2 column 7");
        assertError("[{\"a\":1},", "rows.jsonl row 2 is malformed JSON: ");
        assertError("[{\"a\":1}] {\"a\":2}", "rows.jsonl continues after its array, at line 1");
    }

    @Test
    void nulBytesAreNamed() {
        assertThat(readText("{\"a\":1}\n{\"a\":\"\0\"}\n\0{\"a\":3}\n\0{\0}\0\n{\"a\":4}\n"))
                .satisfiesExactly(
                        row -> assertThat(row).isEqualTo("1:1"),
                        row -> assertThat(row)
                                .startsWith("2 bad: malformed JSON: a text holds a line break or another"),
                        row -> assertThat(row).startsWith("3 bad: malformed JSON: it begins with a NUL byte; "),
                        row -> assertThat(row)
                                .as("UTF-16 in a file of UTF-8")
                                .startsWith("4 bad: malformed JSON: it begins"),
                        row -> assertThat(row).isEqualTo("5:4"));
    }

    /** A text may fill a line. Its limit keeps a file without line ends off the heap. */
    @Test
    void hugeLinesAreNamed() throws IOException {
        Path file = directory.resolve("huge.jsonl");
        try (OutputStream out = Files.newOutputStream(file)) {
            out.write("{\"a\":1}\n{\"a\":\"".getBytes(StandardCharsets.UTF_8));
            byte[] letters = new byte[1 << 20];
            Arrays.fill(letters, (byte) 'x');
            for (int i = 0; i < 21; i++) {
                out.write(letters);
            }
            out.write("\"}\n{\"a\":3}\n{\"a\":\"".getBytes(StandardCharsets.UTF_8));
            for (int i = 0; i < 64; i++) {
                out.write(letters);
            }
            out.write("\"}\n{\"a\":5}\n".getBytes(StandardCharsets.UTF_8));
        }
        List<String> rows = new ArrayList<>();
        try (Rows open = RowFiles.open(file)) {
            rows.add(String.valueOf(next(open)));
            rows.add(String.valueOf(next(open)));
            rows.add(String.valueOf(next(open)));
            rows.add(String.valueOf(next(open)));
            assertThat(open.number()).isEqualTo(4);
            rows.add(String.valueOf(next(open)));
        }
        assertThat(rows.get(0)).isEqualTo("{\"a\":1}");
        assertThat(rows.get(1)).hasSize((21 << 20) + "{\"a\":\"\"}".length());
        assertThat(rows.get(2)).isEqualTo("{\"a\":3}");
        assertThat(rows.get(3))
                .isEqualTo("the line is longer than 64 MiB; write shorter rows, one JSON object per line");
        assertThat(rows.get(4)).isEqualTo("{\"a\":5}");
    }

    private static Object next(Rows rows) {
        try {
            return Objects.requireNonNull(rows.next()).values();
        } catch (BadRow bad) {
            return String.valueOf(bad.getMessage());
        }
    }

    @Test
    void elementsOfAnArrayThatAreNoObjects() {
        assertThat(readText("[{\"a\":1}, 7, {\"a\":2}]"))
                .containsExactly("1:1", "2 bad: a JSON object is expected, not number", "3:2");
    }

    @Test
    void filesWithoutRows() {
        assertError("", "rows.jsonl holds no rows");
        assertError(" \n\n", "rows.jsonl holds no rows");
        Path zipped = TestData.zip(directory, "empty.gz", "");
        assertRefused(() -> read(zipped), "empty.gz holds no rows: it is empty; was it written completely?");
    }

    @Test
    void absentFilesAddressesAndDirectoriesAreRefused() {
        assertRefused(() -> read(directory.resolve("none")), "none does not exist; give a .jsonl");
        assertRefused(
                () -> read(Path.of("https://host/pairs.jsonl")),
                "https:/host/pairs.jsonl is an address, and files are not downloaded; give a .jsonl");
        assertRefused(() -> read(directory), "is a directory");
    }

    @Test
    void otherFormatsAreNamedAlsoInsideGzip() {
        Path parquet = TestData.write(directory, "rows.jsonl", "PAR1 and more");
        assertRefused(() -> read(parquet), parquet + " is a Parquet file, which ", "or write it as JSONL first");
        Path csv = TestData.zip(directory, "rows.csv.gz", "prompt,chosen\na,b\n");
        assertRefused(() -> read(csv), csv + " is a CSV file; write it as JSONL first");
        byte[] utf16 = "\ufeff{\"a\":1}".getBytes(StandardCharsets.UTF_16LE);
        Path file = TestData.write(directory, "utf16.jsonl", utf16);
        assertRefused(() -> read(file), "is UTF-16; save it as UTF-8");
    }

    @Test
    void aZippedFileCutShort() throws IOException {
        byte[] whole = Files.readAllBytes(TestData.zip(directory, "whole.gz", TWO_LINES.repeat(20_000)));
        Path cut = TestData.write(directory, "cut.gz", Arrays.copyOf(whole, whole.length / 2));
        assertRefused(() -> read(cut), "cut.gz line ", "is the file complete?");
    }

    /**
     * Python's gzip refuses both too ("Not a gzipped file", "end-of-stream marker was reached"). In the larger file the
     * bytes after the member are not in the same buffer as its trailer.
     */
    @Test
    void bytesBehindGzipDataThatAreNotGzipAreRefused() throws IOException {
        for (int repeats : new int[] {1, 20_000}) {
            byte[] zipped = Files.readAllBytes(TestData.zip(directory, "rows.gz", TWO_LINES.repeat(repeats)));
            byte[] text = TWO_LINES.getBytes(StandardCharsets.UTF_8);
            assertNotGzipBehind(zipped, text);
            assertNotGzipBehind(zipped, Arrays.copyOf(text, 1));
            assertNotGzipBehind(zipped, Arrays.copyOf(zipped, 5)); // half a header of another member
        }
    }

    /** gzip ignores zeros behind its data, also more than a buffer of them, but not what follows these. */
    @Test
    void zerosBehindGzipDataAreIgnored() throws IOException {
        for (int repeats : new int[] {1, 20_000}) {
            byte[] zipped = Files.readAllBytes(TestData.zip(directory, "rows.gz", TWO_LINES.repeat(repeats)));
            for (int zeros : new int[] {1, 2, 9, 512, 200_000}) {
                Path file = TestData.write(directory, "padded.gz", Arrays.copyOf(zipped, zipped.length + zeros));
                assertThat(read(file)).as("%d zeros", zeros).hasSize(2 * repeats);
            }
            assertNotGzipBehind(zipped, new byte[] {0, 1});
            byte[] late = new byte[200_001];
            late[200_000] = 'x';
            assertNotGzipBehind(zipped, late);
        }
    }

    private void assertNotGzipBehind(byte[] zipped, byte[] behind) {
        byte[] both = Arrays.copyOf(zipped, zipped.length + behind.length);
        System.arraycopy(behind, 0, both, zipped.length, behind.length);
        Path file = TestData.write(directory, "both.gz", both);
        assertRefused(() -> read(file), "both.gz", "bytes that are not gzip follow its gzip data");
    }

    @Test
    @Timeout(60)
    void aPipeIsReadOnce() throws Exception {
        byte[] zipped = Files.readAllBytes(TestData.zip(directory, "rows.gz", TWO_LINES));
        byte[] twoMembers = Arrays.copyOf(zipped, 2 * zipped.length); // RFC 1952 2.2: members may follow one another
        System.arraycopy(zipped, 0, twoMembers, zipped.length, zipped.length);
        assertThat(piped(TWO_LINES.getBytes(StandardCharsets.UTF_8))).containsExactly("1:1", "2:2");
        assertThat(piped("[{\"a\":1}]".getBytes(StandardCharsets.UTF_8))).containsExactly("1:1");
        assertThat(piped(zipped)).containsExactly("1:1", "2:2");
        assertThat(piped(twoMembers)).containsExactly("1:1", "2:2", "3:1", "4:2");
    }

    /** The rows of a pipe. Each byte is written alone, so that a read may return fewer bytes than it asks for. */
    private List<String> piped(byte[] bytes) throws Exception {
        Path pipe = TestFiles.pipe(directory.resolve("pipe"));
        Thread writer = new Thread(() -> {
            try (OutputStream out = Files.newOutputStream(pipe)) {
                for (byte b : bytes) {
                    out.write(b);
                    Thread.yield();
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        writer.start();
        List<String> rows = read(pipe);
        writer.join();
        Files.delete(pipe);
        return rows;
    }

    @Test
    void aHyphenIsStandardInput() {
        InputStream before = System.in;
        try {
            for (String name : List.of("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")) {
                System.setIn(new ByteArrayInputStream(TWO_LINES.getBytes(StandardCharsets.UTF_8)));
                assertThat(read(Path.of(name))).containsExactly("1:1", "2:2");
            }
            System.setIn(new ByteArrayInputStream("{oops".getBytes(StandardCharsets.UTF_8)));
            try (Rows rows = RowFiles.open(Path.of("-"))) {
                assertThat(rows.place(1)).isEqualTo("standard input line 1");
            }
        } finally {
            System.setIn(before);
        }
    }

    private void assertError(String content, String... parts) {
        assertRefused(() -> readText(content), parts);
    }
}
