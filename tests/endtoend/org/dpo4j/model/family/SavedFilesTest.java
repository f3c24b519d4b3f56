package org.dpo4j.model.family;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.Model;
import org.dpo4j.model.RefusalAssertions;
import org.dpo4j.model.SaveFormat;
import org.dpo4j.model.SavedDtype;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Saved files are those of transformers' save_pretrained, byte for byte (tests/golden/saved_files.py). */
class SavedFilesTest {
    private static final JsonNode GOLDEN = TestFiles.json(TestFiles.golden("saved_files.json"));

    /** The family that is saved in each format. */
    private static final String ALL_FORMATS = "smollm3";

    /** The format of the other families: every file is forced to the disk, so all formats would take a minute. */
    private static final String OTHERS_FORMAT = "bfloat16 7.5KB";

    @TempDir
    private Path directory;

    private Device device;

    @BeforeEach
    void openDevice() {
        device = Devices.cpu(1);
    }

    @AfterEach
    void closeDevice() {
        device.close();
    }

    /** All weights and the index: names, order, shapes, dtypes, rounding, and which tensor is in which shard. */
    @Test
    void everyFileOfEveryFamilyIsTransformers() throws IOException {
        List<String> sharded = new ArrayList<>();
        for (String name : FamilyTest.RUN) {
            JsonNode formats = GOLDEN.path("files").path(name);
            assertThat(formats.has(OTHERS_FORMAT)).as(name).isTrue();
            try (Model model = Model.load(TestFiles.golden("families").resolve(name), device, DType.F32)) {
                for (Map.Entry<String, JsonNode> format : formats.properties()) {
                    if (!name.equals(ALL_FORMATS) && !format.getKey().equals(OTHERS_FORMAT)) {
                        continue;
                    }
                    String[] dtypeAndSize = format.getKey().split(" ");
                    Path saved = directory.resolve(name + format.getKey());
                    model.save(saved, new SaveFormat(dtype(dtypeAndSize[0]), SaveFormat.parseSize(dtypeAndSize[1])));
                    Map<String, String> expected = new TreeMap<>();
                    format.getValue()
                            .properties()
                            .forEach(file ->
                                    expected.put(file.getKey(), file.getValue().asText()));
                    assertThat(hashes(saved)).as("%s %s", name, format.getKey()).isEqualTo(expected);
                    assertThat(TestFiles.json(saved.resolve("config.json"))
                                    .path("dtype")
                                    .asText())
                            .isEqualTo(dtypeAndSize[0]);
                    sharded.addAll(expected.keySet());
                }
            }
        }
        assertThat(sharded).contains("model.safetensors", "model.safetensors.index.json");
    }

    /** Loaded as F32, whatever the file has. The model is the same after shards of another size have replaced its file. */
    @ParameterizedTest
    @ValueSource(strings = {"float32", "bfloat16", "float16"})
    void theDtypeOnDiskStays(String dtype) throws IOException {
        Path first = directory.resolve("first");
        Path second = directory.resolve("second");
        save(TestFiles.golden("families").resolve(ALL_FORMATS), first, new SaveFormat(dtype(dtype), 4000));
        save(first, second, SaveFormat.unchanged());
        assertThat(hashes(second)).isEqualTo(golden(dtype + " 50GB"));
        save(second, second, new SaveFormat(null, 4000)); // over itself
        assertThat(hashes(second)).isEqualTo(hashes(first));
        assertThat(TestFiles.json(second.resolve("config.json")))
                .isEqualTo(TestFiles.json(first.resolve("config.json")));
    }

    /** Norms in F32 and matrices in BF16, as some models are published. The config says bfloat16. */
    @Test
    void eachTensorKeepsItsDtype() throws IOException {
        Path mixed = Files.createDirectory(directory.resolve("mixed"));
        Path source = TestFiles.golden("families").resolve(ALL_FORMATS);
        save(source, directory.resolve("rounded"), new SaveFormat(SavedDtype.BFLOAT16, 1L << 30));
        MixedFiles.write(
                directory.resolve("rounded/model.safetensors"),
                source.resolve("model.safetensors"),
                name -> name.contains("norm"),
                mixed.resolve("model.safetensors"));
        Files.copy(directory.resolve("rounded/config.json"), mixed.resolve("config.json"));
        Path saved = directory.resolve("saved");
        save(mixed, saved, SaveFormat.unchanged());
        assertThat(MixedFiles.tensors(saved.resolve("model.safetensors")))
                .isEqualTo(MixedFiles.tensors(mixed.resolve("model.safetensors")))
                .hasSizeGreaterThan(10);
        assertThat(TestFiles.json(saved.resolve("config.json")).path("dtype").asText())
                .isEqualTo("bfloat16");
    }

    @Test
    void sizesAreReadAsInTransformers() {
        GOLDEN.path("sizes")
                .properties()
                .forEach(size -> assertThat(SaveFormat.parseSize(size.getKey()))
                        .as(size.getKey())
                        .isEqualTo(size.getValue().longValue()));
        assertThat(SaveFormat.parseSize("123")).isEqualTo(123);
        for (String wrong : List.of(
                "", "GB", "-5GB", "0", "0.4", "0.0001KB", "nanGB", "5GiB", "5 EB", "1e5MB", "99999999TB", "1_000")) {
            RefusalAssertions.assertRefused(
                    () -> SaveFormat.parseSize(wrong), "max_shard_size is " + wrong + "; it must be bytes");
        }
    }

    private void save(Path from, Path to, SaveFormat format) {
        try (Model model = Model.load(from, device, DType.F32)) {
            model.save(to, format);
        }
    }

    private static SavedDtype dtype(String name) {
        return Stream.of(SavedDtype.values())
                .filter(dtype -> dtype.toString().equals(name))
                .findFirst()
                .orElseThrow();
    }

    private static Map<String, String> golden(String format) {
        Map<String, String> hashes = new TreeMap<>();
        GOLDEN.path("files")
                .path(ALL_FORMATS)
                .path(format)
                .properties()
                .forEach(file -> hashes.put(file.getKey(), file.getValue().asText()));
        return hashes;
    }

    private static Map<String, String> hashes(Path directory) throws IOException {
        Map<String, String> hashes = new TreeMap<>();
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.toList()) {
                String name = file.getFileName().toString();
                if (name.startsWith("model")) {
                    hashes.put(name, hash(Files.readAllBytes(file)));
                }
            }
        }
        return hashes;
    }

    private static String hash(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }
}
