package org.dpo4j.parquet;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.lang.syntax.ArchRuleDefinition;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.dpo4j.data.RowFileFormat;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.data.source.DatasetRequest;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.data.source.RowSources;
import org.dpo4j.data.source.Rows;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Rows of Parquet files against those of pyarrow: tests/golden/parquet_files.py. */
class ParquetFilesTest {
    private static final Path FILES = Path.of(System.getenv("DPO4J_ROOT")).resolve("tests/golden/parquet");

    @TempDir
    Path directory;

    private static List<JsonNode> read(Path file) {
        RowSource source = RowSources.named(file);
        List<JsonNode> read = new ArrayList<>();
        double share = 0;
        try (Rows rows = source.open()) {
            for (Rows.Row row = rows.next(); row != null; row = rows.next()) {
                assertThat(row.number()).isEqualTo(read.size() + 1);
                read.add(row.values());
                assertThat(rows.share()).isBetween(share, 1.0);
                share = rows.share();
            }
            assertThat(rows.share()).isEqualTo(1);
        } catch (BadRow bad) {
            throw new AssertionError(bad);
        }
        return read;
    }

    private static JsonNode expected() throws IOException {
        return new ObjectMapper().readTree(FILES.resolve("rows.json").toFile());
    }

    /** Numbers as doubles, bytes as the script writes them. */
    private static JsonNode plain(JsonNode value) {
        JsonNodeFactory json = JsonNodeFactory.instance;
        if (value instanceof ObjectNode object) {
            ObjectNode all = json.objectNode();
            object.properties().forEach(field -> all.set(field.getKey(), plain(field.getValue())));
            return all;
        }
        if (value instanceof ArrayNode array) {
            ArrayNode all = json.arrayNode();
            array.forEach(element -> all.add(plain(element)));
            return all;
        }
        if (value.isBinary()) {
            return json.textNode("base64:" + Base64.getEncoder().encodeToString(bytes(value)));
        }
        // float32 is compared as such: pyarrow prints it as a double
        return value.isNumber() && !value.isIntegralNumber() ? json.numberNode(value.floatValue()) : integers(value);
    }

    private static JsonNode integers(JsonNode value) {
        return value.isIntegralNumber() ? JsonNodeFactory.instance.textNode(value.asText()) : value;
    }

    private static byte[] bytes(JsonNode value) {
        try {
            return value.binaryValue();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @TestFactory
    Stream<DynamicTest> rowsAreThoseOfPyarrow() throws IOException {
        return expected().properties().stream()
                .map(entry -> DynamicTest.dynamicTest(entry.getKey(), () -> {
                    List<JsonNode> rows = read(FILES.resolve(entry.getKey()));
                    assertThat(rows).hasSize(entry.getValue().size());
                    for (int i = 0; i < rows.size(); i++) {
                        assertThat(plain(rows.get(i)))
                                .as("row %d", i + 1)
                                .isEqualTo(plain(entry.getValue().get(i)));
                    }
                }));
    }

    @Test
    void wholeNumbersAndDecimalsAreExact() {
        JsonNode row = read(FILES.resolve("types.parquet")).get(0);
        assertThat(row.get("u64").asText()).isEqualTo("18446744073709551615");
        assertThat(row.get("dec").decimalValue()).isEqualByComparingTo("-12345678901234567.890");
        assertThat(row.get("f64").doubleValue()).isEqualTo(0.1);
    }

    @Test
    void aDirectoryOfShardsIsReadAsOneDataSet() throws IOException, BadRow {
        Path data = Files.createDirectories(directory.resolve("data"));
        Files.copy(FILES.resolve("pairs-zstd.parquet"), data.resolve("train-00000-of-00002.parquet"));
        Files.copy(FILES.resolve("pairs-gzip-v2.parquet"), data.resolve("train-00001-of-00002.parquet"));
        Files.copy(FILES.resolve("nested.parquet"), data.resolve("test-00000-of-00001.parquet"));
        List<String> places = new ArrayList<>();
        try (Rows rows = RowSources.find(DatasetRequest.named(directory.toString(), DatasetRequest.Use.TRAIN))
                .open()) {
            for (Rows.Row row = rows.next(); row != null; row = rows.next()) {
                places.add(rows.place(row.number()));
            }
        }
        assertThat(places).hasSize(24 + 9);
        assertThat(places.get(24)).isEqualTo(data.resolve("train-00001-of-00002.parquet") + " row 1");
    }

    @Test
    void whatIsNotReadIsNamed() throws IOException {
        assertRefused(FILES.resolve("lz4.parquet"), "is compressed by LZ4", "write it again with ZSTD or SNAPPY");
        Path encrypted = Files.write(directory.resolve("encrypted.parquet"), "PARE and more PARE".getBytes());
        assertRefused(encrypted, "encrypted.parquet cannot be read as Parquet (its index is encrypted");
        Path cut = directory.resolve("cut.parquet");
        byte[] whole = Files.readAllBytes(FILES.resolve("pairs-zstd.parquet"));
        Files.write(cut, Arrays.copyOf(whole, whole.length / 2));
        assertRefused(cut, "cut.parquet cannot be read as Parquet (", "); is the file complete?");
        // bytes of its index are changed, so that the library looks for the end of a column without end
        assertRefused(
                FILES.resolve("endless.parquet"), "endless.parquet cannot be read as Parquet (its data are damaged");
        Files.write(cut, Arrays.copyOf(whole, 4));
        assertRefused(cut, "cut.parquet cannot be read as Parquet (", "); is the file complete?");
    }

    private static void assertRefused(Path file, String... parts) {
        assertThatThrownBy(() -> read(file)).isInstanceOf(Dpo4jException.class).hasMessageContainingAll(parts);
    }

    /** Damaged files give rows or an error that names the file, in bounded time and memory. */
    @TestFactory
    @Timeout(120)
    Stream<DynamicTest> damagedFiles() throws IOException {
        return expected().properties().stream()
                .map(entry -> DynamicTest.dynamicTest(entry.getKey(), () -> {
                    byte[] whole = Files.readAllBytes(FILES.resolve(entry.getKey()));
                    Path file = directory.resolve("damaged.parquet");
                    Random random = new Random(entry.getKey().hashCode());
                    for (int i = 0; i < 20; i++) {
                        Files.write(file, damaged(whole, random));
                        String message = refusal(file);
                        if (message != null) {
                            assertThat(message).contains("damaged.parquet").doesNotContain("hardwood", "java.");
                        }
                    }
                }));
    }

    private static byte[] damaged(byte[] whole, Random random) {
        byte[] bytes = whole.clone();
        int changes = 1 + random.nextInt(4);
        for (int i = 0; i < changes; i++) {
            // half of them in the index at the end
            int from = random.nextBoolean() ? Math.max(4, bytes.length - 1500) : 4;
            bytes[from + random.nextInt(bytes.length - from)] = (byte) random.nextInt(256);
        }
        return random.nextInt(6) == 0 ? Arrays.copyOf(bytes, 5 + random.nextInt(bytes.length - 5)) : bytes;
    }

    private static @Nullable String refusal(Path file) {
        try {
            read(file);
            return null;
        } catch (Dpo4jException e) {
            return e.getMessage();
        }
    }

    @Test
    void onlyPublicTypesOfOtherArtifactsAreUsed() {
        JavaClasses classes = new ClassFileImporter().importPackages("org.dpo4j.parquet");
        ArchRuleDefinition.noClasses()
                .that()
                .haveSimpleNameNotEndingWith("Test")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(
                        "org.dpo4j.cli..",
                        "org.dpo4j.train..",
                        "org.dpo4j.model..",
                        "org.dpo4j.io..",
                        "dev.hardwood.internal..")
                .check(classes);
        assertThat(new ParquetFormat()).isInstanceOf(RowFileFormat.class);
    }
}
