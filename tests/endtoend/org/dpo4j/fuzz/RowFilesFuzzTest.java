package org.dpo4j.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import org.dpo4j.data.row.Example;
import org.dpo4j.data.row.RowFormat.Kind;
import org.dpo4j.data.row.RowFormats;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.data.source.RowFiles;
import org.dpo4j.data.source.Rows;
import org.dpo4j.kernels.Dpo4jException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Any bytes as a file of rows. Each row is read, or left out with a reason, or the file is refused with an error that
 * names it. The corpus is in {@code RowFilesFuzzTestInputs}; Jazzer looks for more as in {@link ModelFilesFuzzTest}.
 */
class RowFilesFuzzTest {
    private static final long MAX_NANOS = 5_000_000_000L;

    @TempDir
    private static Path temporary;

    @FuzzTest(maxDuration = "60s")
    void rows(byte[] content) throws IOException {
        read(content);
    }

    /** Returns the number of rows that can be read; -1 if the file is refused. */
    private static int read(byte[] content) throws IOException {
        Path file = Files.write(temporary.resolve("rows.fuzzed"), content);
        long begin = System.nanoTime();
        int count = 0;
        try (Rows rows = RowFiles.open(file)) {
            boolean hasMore = true;
            while (hasMore) {
                try {
                    Rows.Row row = rows.next();
                    hasMore = row != null;
                    if (row != null) {
                        List<Example> examples = RowFormats.find(row.values(), EnumSet.allOf(Kind.class))
                                .read(row.values());
                        assertThat(examples).isNotEmpty();
                        count++;
                    }
                } catch (BadRow bad) {
                    assertThat(bad.getMessage()).isNotBlank();
                    assertThat(rows.place(rows.number())).contains("rows.fuzzed");
                }
            }
        } catch (Dpo4jException e) {
            assertThat(e.getMessage()).contains("rows.fuzzed").doesNotContain("jackson", "java.");
            count = -1;
        }
        assertThat(System.nanoTime() - begin).isLessThan(MAX_NANOS);
        return count;
    }

    private static List<Path> corpus() throws Exception {
        try (Stream<Path> inputs = Files.list(
                Path.of(Objects.requireNonNull(RowFilesFuzzTest.class.getResource("RowFilesFuzzTestInputs/rows"))
                        .toURI()))) {
            return inputs.sorted().toList();
        }
    }

    /** Those named valid have rows that can be read. */
    @Test
    void theCorpusHasValidAndInvalidFiles() throws Exception {
        int valid = 0;
        for (Path input : corpus()) {
            boolean isValid = input.getFileName().toString().startsWith("valid");
            assertThat(read(Files.readAllBytes(input)) >= 2).as("%s", input).isEqualTo(isValid);
            valid += isValid ? 1 : 0;
        }
        assertThat(valid).isEqualTo(5);
    }

    /** Bytes of valid files replaced, left out, doubled and cut off; the same ones in each run. */
    @Test
    void changedFiles() throws Exception {
        int cases = Integer.getInteger("dpo4j.fuzz.cases", 40);
        for (Path input : corpus()) {
            byte[] whole = Files.readAllBytes(input);
            Random random = new Random(input.getFileName().toString().hashCode());
            for (int i = 0; whole.length > 0 && i < cases; i++) {
                read(changed(whole, random));
            }
        }
    }

    private static byte[] changed(byte[] whole, Random random) {
        String text = new String(whole, StandardCharsets.ISO_8859_1);
        int changes = 1 + random.nextInt(3);
        for (int i = 0; i < changes && !text.isEmpty(); i++) {
            int at = random.nextInt(text.length());
            int end = Math.min(text.length(), at + random.nextInt(20));
            text = switch (random.nextInt(5)) {
                case 0 -> text.substring(0, at) + (char) random.nextInt(256) + text.substring(at + 1);
                case 1 -> text.substring(0, at) + text.substring(end);
                case 2 -> text.substring(0, end) + text.substring(at);
                case 3 -> text.substring(0, at) + "null" + text.substring(at);
                default -> text.substring(0, at) + "{}[]\",:0\\".charAt(random.nextInt(9)) + text.substring(at + 1);
            };
        }
        String cut = random.nextInt(8) == 0 ? text.substring(0, random.nextInt(text.length() + 1)) : text;
        return cut.getBytes(StandardCharsets.ISO_8859_1);
    }
}
