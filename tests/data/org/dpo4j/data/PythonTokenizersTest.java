package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
import java.util.Iterator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Small tokenizers of every kind against Python's tokenizers library on 500 texts: golden/tokenizer_ids.py. */
class PythonTokenizersTest {
    private static final JsonNode TEXTS = GoldenTokenizers.texts();

    @TempDir
    Path directory;

    static Stream<String> names() {
        return GoldenTokenizers.names();
    }

    private Tokenizer load(JsonNode expected) {
        return GoldenTokenizers.load(
                directory, expected.get("name").textValue(), expected.get("eos").textValue());
    }

    @Test
    void theGoldenFileIsComplete() {
        assertThat(names()).hasSizeGreaterThan(20).doesNotHaveDuplicates();
        assertThat(TEXTS).hasSize(500);
    }

    @ParameterizedTest
    @MethodSource("names")
    void texts(String name) {
        JsonNode expected = GoldenTokenizers.get(name);
        int[] sums = sums(expected.get("ids"));
        try (Tokenizer tokenizer = load(expected)) {
            for (JsonNode example : expected.get("examples")) {
                assertThat(processed(tokenizer, text(example.get("text").intValue())))
                        .isEqualTo(TestFiles.ints(example.get("ids")));
            }
            for (int i = 0; i < sums.length; i++) {
                assertThat(sum(tokenizer, text(i)))
                        .as("text %d: %s", i, text(i))
                        .isEqualTo(sums[i]);
            }
        }
    }

    /** The ids of added tokens come from tables, not from encoding a text. */
    @ParameterizedTest
    @MethodSource("names")
    void addedTokens(String name) {
        JsonNode expected = GoldenTokenizers.get(name);
        try (Tokenizer tokenizer = load(expected)) {
            TokenizerFile file = TokenizerFile.read(directory.resolve("tokenizer.json"));
            assertThat(tokenizer.size()).isEqualTo(expected.get("size").intValue());
            Iterator<String> tokens = expected.get("added").fieldNames();
            while (tokens.hasNext()) {
                String token = tokens.next();
                assertThat(file.ids())
                        .containsEntry(token, expected.get("added").get(token).intValue());
            }
        }
    }

    /** Rows of a file become ids of prompt and answers. */
    @ParameterizedTest
    @MethodSource("names")
    void rows(String name) {
        JsonNode expected = GoldenTokenizers.get(name);
        int[] sums = sums(expected.get("rows"));
        int[] found = new int[sums.length];
        StringBuilder rows = new StringBuilder();
        for (int i = 0; i < sums.length; i++) {
            rows.append("{\"prompt\":").append(TEXTS.get(i));
            rows.append(",\"chosen\":").append(TEXTS.get((i + 4) % sums.length));
            rows.append(",\"rejected\":").append(TEXTS.get((i + 8) % sums.length));
            rows.append("}\n");
        }
        Path file = TestData.write(directory, "rows.jsonl", rows.toString());
        try (Tokenizer tokenizer = load(expected)) {
            ReadOptions options = new ReadOptions(tokenizer, tokenizer.size(), Truncation.NONE, OnBadRow.SKIP);
            for (PreferencePair pair : Dataset.pairs(file, options).rows()) {
                found[pair.row() - 1] = crc(pair.prompt(), pair.chosen(), pair.rejected());
            }
        }
        for (int i = 0; i < sums.length; i++) {
            assertThat(found[i]).as("row %d: %s", i, text(i)).isEqualTo(sums[i]);
        }
    }

    private static int[] processed(Tokenizer tokenizer, String text) {
        TextEnds ends = tokenizer.ends();
        return Stream.of(ends.beginning(), tokenizer.encode(text), ends.ending())
                .flatMapToInt(Arrays::stream)
                .toArray();
    }

    private static int sum(Tokenizer tokenizer, String text) {
        try {
            return crc(processed(tokenizer, text));
        } catch (Dpo4jException refused) {
            return 0;
        }
    }

    private static String text(int index) {
        return TEXTS.get(index).textValue();
    }

    private static int[] sums(JsonNode packed) {
        ByteBuffer bytes =
                ByteBuffer.wrap(Base64.getDecoder().decode(packed.textValue())).order(ByteOrder.LITTLE_ENDIAN);
        return IntStream.range(0, bytes.capacity() / Integer.BYTES)
                .map(i -> bytes.getInt(i * Integer.BYTES))
                .toArray();
    }

    private static int crc(int[]... parts) {
        int numbers = Arrays.stream(parts).mapToInt(part -> part.length + 1).sum();
        ByteBuffer bytes = ByteBuffer.allocate(numbers * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (int[] part : parts) {
            bytes.putInt(part.length);
            Arrays.stream(part).forEach(bytes::putInt);
        }
        CRC32 sum = new CRC32();
        sum.update(bytes.array());
        return (int) sum.getValue();
    }
}
