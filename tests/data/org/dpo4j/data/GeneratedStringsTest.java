package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.HexFormat;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import java.util.zip.CRC32;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Small and published tokenizers against Python's tokenizers library: golden/tokenizer_strings.py. */
class GeneratedStringsTest {
    private static final JsonNode GOLDEN = GoldenTokenizers.read("tokenizer_strings.json");
    private static final GeneratedStrings STRINGS = new GeneratedStrings(GOLDEN);
    private static final int BLOCK = GOLDEN.get("block").intValue();
    private static final int BLOCKS = GOLDEN.get("count").intValue() / BLOCK;

    @TempDir
    Path directory;

    static Stream<String> small() {
        return GoldenTokenizers.names();
    }

    static Stream<String> published() {
        return tokenizers()
                .filter(each -> each.has("path"))
                .map(each -> each.get("name").textValue());
    }

    private static Stream<JsonNode> tokenizers() {
        return StreamSupport.stream(GOLDEN.get("tokenizers").spliterator(), false);
    }

    @Test
    void theStringsArePythons() {
        assertThat(BLOCK * BLOCKS).isEqualTo(10_000);
        assertThat(published()).hasSize(4);
        assertThat(tokenizers().map(each -> each.get("name").textValue())).containsAll(small().toList());
        String[] examples = GeneratedStrings.strings(GOLDEN.get("examples"));
        for (int i = 0; i < examples.length; i++) {
            assertThat(STRINGS.string(i)).isEqualTo(examples[i]);
        }
    }

    @ParameterizedTest
    @MethodSource("small")
    void smallTokenizers(String name) {
        check(name, 3);
    }

    @ParameterizedTest
    @MethodSource("small")
    @Tag("long")
    void smallTokenizersOnAllStrings(String name) {
        check(name, BLOCKS);
    }

    private void check(String name, int blocks) {
        String eos = GoldenTokenizers.get(name).get("eos").textValue();
        try (Tokenizer tokenizer = GoldenTokenizers.load(directory, name, eos)) {
            check(tokenizer, name, blocks);
        }
    }

    @ParameterizedTest
    @MethodSource("published")
    void publishedTokenizers(String name) throws Exception {
        JsonNode golden = golden(name);
        Path file = TestFiles.real("tokenizers/" + golden.get("path").textValue());
        byte[] sha256 = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
        assertThat(HexFormat.of().formatHex(sha256))
                .isEqualTo(golden.get("sha256").textValue());
        Files.copy(file, directory.resolve("tokenizer.json"));
        try (Tokenizer tokenizer = Tokenizer.load(directory, 1 << 20)) {
            check(tokenizer, name, BLOCKS);
        }
    }

    private static JsonNode golden(String name) {
        return tokenizers()
                .filter(each -> each.get("name").textValue().equals(name))
                .findFirst()
                .orElseThrow();
    }

    private static void check(Tokenizer tokenizer, String name, int blocks) {
        ByteBuffer ids = sums(golden(name).get("ids"));
        ByteBuffer texts = golden(name).has("texts") ? sums(golden(name).get("texts")) : null;
        for (int block = 0; block < blocks; block++) {
            CRC32 idsSum = new CRC32();
            CRC32 textsSum = new CRC32();
            for (int i = block * BLOCK; i < (block + 1) * BLOCK; i++) {
                add(tokenizer, STRINGS.string(i), idsSum, textsSum);
            }
            String where = name + ", strings from " + block * BLOCK + " on";
            assertThat((int) idsSum.getValue()).as("ids of " + where).isEqualTo(ids.getInt(block * Integer.BYTES));
            if (texts != null) {
                assertThat((int) textsSum.getValue())
                        .as("decoded ids of " + where)
                        .isEqualTo(texts.getInt(block * Integer.BYTES));
            }
        }
    }

    private static void add(Tokenizer tokenizer, String string, CRC32 idsSum, CRC32 textsSum) {
        int[] ids;
        try {
            ids = tokenizer.encode(string);
        } catch (Dpo4jException refused) {
            idsSum.update(ints(-1));
            return;
        }
        idsSum.update(ints(ids.length));
        idsSum.update(ints(ids));
        byte[] text = tokenizer.decode(ids).getBytes(StandardCharsets.UTF_8);
        textsSum.update(ints(text.length));
        textsSum.update(text);
    }

    private static byte[] ints(int... values) {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asIntBuffer().put(values);
        return bytes.array();
    }

    private static ByteBuffer sums(JsonNode packed) {
        return ByteBuffer.wrap(Base64.getDecoder().decode(packed.textValue())).order(ByteOrder.LITTLE_ENDIAN);
    }
}
