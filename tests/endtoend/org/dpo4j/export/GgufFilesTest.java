package org.dpo4j.export;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.dpo4j.io.gguf.GgufType;
import org.dpo4j.model.LoadProgress;
import org.dpo4j.model.TestFiles;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** GGUF files of small models against those of llama.cpp's converter: golden/gguf_files.py. */
class GgufFilesTest {
    /** An element is a power and a few products of f32 there, and the nearest f32 of a double here. */
    private static final double FACTOR_ERROR = 8 * 0x1p-24;

    @TempDir
    Path directory;

    static Stream<Arguments> files() {
        return GgufCases.all()
                .flatMap(each -> each.get("files").properties().stream()
                        .map(file -> Arguments.of(each.get("name").textValue(), file.getKey())));
    }

    @ParameterizedTest
    @MethodSource("files")
    void hasTheKeysAndTensorsOfTheConverter(String name, String dtype) throws IOException {
        Path model = GgufCases.write(name, Files.createDirectory(directory.resolve("small-model")));
        Path output = directory.resolve("out.gguf");
        GgufType type = GgufType.valueOf(dtype.toUpperCase(Locale.ROOT));
        GgufExport.Written written = GgufExport.write(model, output, type, LoadProgress.NONE);
        GgufListing found = GgufListing.read(output);
        JsonNode expected = GgufCases.named(name).get("files").get(dtype);
        Map<String, String> keys = texts(found.keys());
        Map<String, String> wanted = texts(expected.get("keys"));
        if (name.equals("llama")) { // the converter gives all tokens one score if there is no tokenizer.model
            keys.remove("tokenizer.ggml.scores");
            wanted.remove("tokenizer.ggml.scores");
        }
        assertThat(keys).isEqualTo(wanted);
        assertSameFactors(
                found.tensors().remove(RotaryFactors.NAME),
                expected.get("tensors").get(RotaryFactors.NAME));
        Map<String, String> tensors = texts(expected.get("tensors"));
        tensors.remove(RotaryFactors.NAME);
        assertThat(texts(found.tensors())).isEqualTo(tensors);
        assertThat(written.bytes()).isEqualTo(Files.size(output));
    }

    private static void assertSameFactors(@Nullable JsonNode found, @Nullable JsonNode expected) {
        assertThat(found == null).isEqualTo(expected == null);
        if (found != null && expected != null) {
            assertThat(found.get(0)).hasToString(expected.get(0).toString());
            double[] factors = TestFiles.doubles(found.get(2));
            double[] wanted = TestFiles.doubles(expected.get(2));
            assertThat(factors).hasSameSizeAs(wanted);
            for (int i = 0; i < factors.length; i++) {
                assertThat(factors[i] / wanted[i] - 1).isBetween(-FACTOR_ERROR, FACTOR_ERROR);
            }
        }
    }

    private static Map<String, String> texts(Map<String, JsonNode> values) {
        Map<String, String> texts = new TreeMap<>();
        values.forEach((key, value) -> texts.put(key, value.toString()));
        return texts;
    }

    private static Map<String, String> texts(JsonNode values) {
        Map<String, String> texts = new TreeMap<>();
        values.properties()
                .forEach(each -> texts.put(each.getKey(), each.getValue().toString()));
        return texts;
    }
}
