package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import org.dpo4j.io.SafeTensors;
import org.dpo4j.io.SafeTensors.Plan;
import org.dpo4j.io.SafeTensorsHeader;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Damaged checkpoints of bitsandbytes: each is refused with an error that names the tensor. */
class FourBitFilesTest {
    private static final String WEIGHT = "model.layers.1.mlp.up_proj.weight";
    private static final String STATE = WEIGHT + ".quant_state.bitsandbytes__nf4";

    @TempDir
    Path directory;

    /** A tensor of the file that is written. */
    private record Content(String dtype, List<Long> shape, byte[] bytes) {}

    private final Map<String, Content> tensors = new LinkedHashMap<>();

    @BeforeEach
    void readCheckpoint() throws IOException {
        Path golden = TestFiles.golden("four-bit/llama");
        Files.copy(golden.resolve("config.json"), directory.resolve("config.json"));
        try (SafeTensors file = SafeTensors.open(golden.resolve("model.safetensors"))) {
            for (SafeTensorsHeader.Entry entry : file.entries().values()) {
                byte[] bytes = new byte[(int) (entry.end() - entry.begin())];
                file.read(entry, 0, ByteBuffer.wrap(bytes));
                tensors.put(entry.name(), new Content(entry.dtype(), entry.shape(), bytes));
            }
        }
    }

    private void load() throws IOException {
        List<Plan> plans = new ArrayList<>();
        tensors.forEach((name, content) -> plans.add(new Plan(name, content.dtype, content.shape)));
        Path file = directory.resolve("model.safetensors");
        Files.deleteIfExists(file);
        SafeTensors.write(
                file,
                plans,
                ByteBuffer.allocateDirect(1 << 16),
                (plan, offset, chunk) -> chunk.put(
                        Objects.requireNonNull(tensors.get(plan.name())).bytes, (int) offset, chunk.remaining()));
        try (Device device = Devices.cpu(1)) {
            try {
                Model.load(directory, device, DType.F32).close();
            } finally {
                assertThat(device.allocatedBytes()).isZero();
            }
        }
    }

    private void change(String name, Consumer<ByteBuffer> change) {
        change.accept(
                ByteBuffer.wrap(Objects.requireNonNull(tensors.get(name)).bytes).order(ByteOrder.LITTLE_ENDIAN));
    }

    private void replaceState(String from, String to) {
        String json = new String(Objects.requireNonNull(tensors.get(STATE)).bytes, StandardCharsets.UTF_8);
        assertThat(json).contains(from);
        byte[] changed = json.replace(from, to).getBytes(StandardCharsets.UTF_8);
        tensors.put(STATE, new Content("U8", List.of((long) changed.length), changed));
    }

    @Test
    void theUnchangedCheckpointLoads() throws IOException {
        load();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
        "blocksize": 64         | "blocksize": 128        | blocksize 128; only 64
        "nested_blocksize": 256 | "nested_blocksize": 64  | nested_blocksize 64; only 256
        "quant_type": "nf4"     | "quant_type": "int4"    | quant_type "int4"
        "quant_type": "nf4"     | "quant_type": "fp4"     | quant_type FP4
        "dtype": "bfloat16"     | "dtype": "int8"         | dtype "int8"
        "nested_dtype": "float32" | "nested_dtype": "float16" | nested_dtype
        "shape": [24, 32]       | "shape": [24, 32, 1]    | shape [24,32,1]
        "shape": [24, 32]       | "shape": [24, -32]      | shape [24,-32]
        "shape": [24, 32]       | "shape": [24, 34]       | has 384 bytes instead of the 408
        "shape": [24, 32]       | "shape": [32, 24]       | has the shape [32, 24] instead of [24, 32]
        "nested_offset": 0      | "nested_offset": 1e39, "x": 0 | has the keys
        "blocksize"             | "block_size"            | has the keys
        {                       | [                       | is not valid JSON
        """)
    void aDamagedStateIsRefused(String from, String to, String fault) {
        replaceState(from, to);
        assertRefused(this::load, WEIGHT, fault);
    }

    @ParameterizedTest
    @CsvSource({".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", "''"})
    void aMissingPartIsNamed(String part) {
        tensors.remove(WEIGHT + part);
        assertRefused(this::load, STATE, WEIGHT + part + ", which is missing");
    }

    @Test
    void aMissingStateIsRefused() {
        tensors.remove(STATE);
        assertRefused(this::load, WEIGHT);
    }

    @Test
    void numbersThatAreNotFiniteAreRefused() {
        for (String part : List.of(".nested_absmax", ".nested_quant_map", ".quant_map")) {
            byte[] kept =
                    Objects.requireNonNull(tensors.get(WEIGHT + part)).bytes.clone();
            change(WEIGHT + part, bytes -> bytes.putFloat(0, Float.NaN));
            assertRefused(this::load, WEIGHT + part, "NaN at [0]");
            change(WEIGHT + part, bytes -> bytes.put(kept));
        }
    }

    @Test
    void anotherMapIsRefused() {
        change(WEIGHT + ".quant_map", bytes -> bytes.putFloat(4, -0.7f));
        assertRefused(this::load, WEIGHT + ".quant_map", "-0.7 at [1]");
    }

    @Test
    void partsOfAnotherSizeOrTypeAreRefused() {
        Content absmax = Objects.requireNonNull(tensors.get(WEIGHT + ".absmax"));
        tensors.put(WEIGHT + ".absmax", new Content("I8", absmax.shape, absmax.bytes));
        assertRefused(this::load, WEIGHT + ".absmax is I8[12] instead of U8[12]");
        tensors.put(WEIGHT + ".absmax", new Content("U8", List.of(3L, 4L), absmax.bytes));
        assertRefused(this::load, WEIGHT + ".absmax is U8[3, 4] instead of U8[12]");
    }

    @Test
    void aConfigWithoutQuantisedTensorsIsRefused() throws IOException {
        Path golden = TestFiles.golden("llama-tiny/model.safetensors");
        Files.copy(golden, directory.resolve("model.safetensors"));
        try (Device device = Devices.cpu(1)) {
            assertRefused(() -> Model.load(directory, device, DType.F32), "load_in_4bit", "quantization_config");
        }
    }

    /** Only all linear layers together. */
    @Test
    void aLayerThatIsNotQuantisedIsRefused() {
        for (String part : List.of(".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map")) {
            tensors.remove(WEIGHT + part);
        }
        tensors.remove(STATE);
        tensors.put(WEIGHT, new Content("BF16", List.of(24L, 32L), new byte[2 * 24 * 32]));
        assertRefused(this::load, WEIGHT + " is not quantised, but 13 others are");
    }
}
