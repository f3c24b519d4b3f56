package org.dpo4j.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.io.SafeTensors;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.AdapterBase;
import org.dpo4j.model.LoraConfig;
import org.dpo4j.model.Model;
import org.dpo4j.model.SaveFormat;
import org.dpo4j.model.TestFiles;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Any bytes as a file of a model. It loads, or is refused with an error that names the directory. Each fuzz test runs on
 * its corpus, the files in {@code ModelFilesFuzzTestInputs}. With the environment variable {@code JAZZER_FUZZ}, Jazzer
 * looks for inputs that reach new code, one test at a time (.ci/nightly).
 */
class ModelFilesFuzzTest {
    private static final long MAX_NANOS = 5_000_000_000L;
    private static final int VOCABULARY = 300;
    private static final String TIME = "60s";
    private static final Path SMOLLM = TestFiles.golden("families/smollm3");
    private static final Path FOUR_BIT = TestFiles.golden("four-bit/llama");
    private static final String STATE = "model.layers.0.self_attn.k_proj.weight.quant_state.bitsandbytes__nf4";

    @TempDir
    private static Path temporary;

    private static @Nullable Models models;

    /**
     * The models whose files are replaced. They are made by the first input: Jazzer would have to change classes that are
     * loaded before it, and the JVM then loses fields of records that have annotations.
     */
    private record Models(Device device, Path one, Path sharded, Path adapter, Path fourBit) {
        static Models save() throws IOException {
            Device device = Devices.cpu(1);
            Path one = Files.createDirectory(temporary.resolve("one"));
            Path sharded = Files.createDirectory(temporary.resolve("sharded"));
            try (Model model = Model.load(SMOLLM, device, DType.F32)) {
                model.save(one, SaveFormat.unchanged());
                model.save(sharded, new SaveFormat(null, 20_000));
            }
            Path adapter = Files.createDirectory(temporary.resolve("adapter"));
            try (Model model = Model.load(one, device, DType.F32)) {
                model.addAdapter(
                        new LoraConfig(2, 4, List.of("q_proj", "down_proj")), new AdapterBase(one.toString(), null), 1);
                model.save(adapter, SaveFormat.unchanged());
            }
            Path fourBit = Files.createDirectory(temporary.resolve("fourBit"));
            for (String file : List.of("config.json", "model.safetensors")) {
                Files.copy(FOUR_BIT.resolve(file), fourBit.resolve(file));
            }
            return new Models(device, one, sharded, adapter, fourBit);
        }
    }

    private static Models models() throws IOException {
        if (models == null) {
            models = Models.save();
        }
        return models;
    }

    @AfterAll
    static void closeDevice() {
        if (models != null) {
            models.device.close();
        }
    }

    @FuzzTest(maxDuration = TIME)
    void config(byte[] content) throws IOException {
        use("config", content);
    }

    @FuzzTest(maxDuration = TIME)
    void generationConfig(byte[] content) throws IOException {
        use("generationConfig", content);
    }

    @FuzzTest(maxDuration = TIME)
    void index(byte[] content) throws IOException {
        use("index", content);
    }

    /** A whole file of weights. */
    @FuzzTest(maxDuration = TIME)
    void weights(byte[] content) throws IOException {
        use("weights", content);
    }

    /** The header of a file, with its length before it and the bytes of the model's tensors behind. */
    @FuzzTest(maxDuration = TIME)
    void header(byte[] content) throws IOException {
        use("header", content);
    }

    /** The state of a tensor that bitsandbytes has quantised to 4 bits. */
    @FuzzTest(maxDuration = TIME)
    void fourBitState(byte[] content) throws IOException {
        use("fourBitState", content);
    }

    /** As {@link #header}, of a checkpoint in 4 bits. */
    @FuzzTest(maxDuration = TIME)
    void fourBitHeader(byte[] content) throws IOException {
        use("fourBitHeader", content);
    }

    @FuzzTest(maxDuration = TIME)
    void adapterConfig(byte[] content) throws IOException {
        use("adapterConfig", content);
    }

    /** A whole file of an adapter's matrices. */
    @FuzzTest(maxDuration = TIME)
    void adapterWeights(byte[] content) throws IOException {
        use("adapterWeights", content);
    }

    @FuzzTest(maxDuration = TIME)
    void tokenizer(byte[] content) throws IOException {
        use("tokenizer", content);
    }

    /** The corpus is found, and has inputs of both kinds. Those named valid load, all others are refused. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "config",
                "generationConfig",
                "index",
                "weights",
                "header",
                "fourBitState",
                "fourBitHeader",
                "tokenizer",
                "adapterConfig",
                "adapterWeights"
            })
    void theCorpusHasValidAndInvalidFiles(String name) throws Exception {
        Path corpus =
                Path.of(Objects.requireNonNull(ModelFilesFuzzTest.class.getResource("ModelFilesFuzzTestInputs/" + name))
                        .toURI());
        int valid = 0;
        int invalid = 0;
        try (Stream<Path> inputs = Files.list(corpus)) {
            for (Path input : inputs.toList()) {
                boolean isValid = input.getFileName().toString().startsWith("valid");
                assertThat(use(name, Files.readAllBytes(input))).as("%s", input).isEqualTo(isValid);
                valid += isValid ? 1 : 0;
                invalid += isValid ? 0 : 1;
            }
        }
        assertThat(valid).as("valid inputs").isEqualTo(name.endsWith("eights") ? 0 : 1);
        assertThat(invalid).as("invalid inputs").isGreaterThan(2);
    }

    private static boolean use(String name, byte[] content) throws IOException {
        Path one = models().one;
        return switch (name) {
            case "config" -> isLoaded(one, "config.json", content);
            case "generationConfig" -> isLoaded(one, "generation_config.json", content);
            case "index" -> isLoaded(models().sharded, "model.safetensors.index.json", content);
            case "weights" -> isLoaded(one, "model.safetensors", content);
            case "header" -> isLoaded(one, "model.safetensors", withHeader(SMOLLM, content));
            case "fourBitState" -> isLoaded(models().fourBit, "model.safetensors", withState(content));
            case "fourBitHeader" -> isLoaded(models().fourBit, "model.safetensors", withHeader(FOUR_BIT, content));
            case "adapterConfig" -> isLoaded(models().adapter, "adapter_config.json", withBase(content));
            case "adapterWeights" -> isLoaded(models().adapter, "adapter_model.safetensors", content);
            case "tokenizer" -> isTokenizer(content);
            default -> throw new IllegalArgumentException(name);
        };
    }

    /** The word BASE becomes the path of the base model, which is another in each run. */
    private static byte[] withBase(byte[] content) throws IOException {
        String text = new String(content, StandardCharsets.ISO_8859_1);
        return text.replace("BASE", models().one.toString()).getBytes(StandardCharsets.ISO_8859_1);
    }

    private static byte[] withHeader(Path model, byte[] header) throws IOException {
        byte[] valid = Files.readAllBytes(model.resolve("model.safetensors"));
        int begin =
                8 + (int) ByteBuffer.wrap(valid).order(ByteOrder.LITTLE_ENDIAN).getLong();
        return ByteBuffer.allocate(8 + header.length + valid.length - begin)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(header.length)
                .put(header)
                .put(valid, begin, valid.length - begin)
                .array();
    }

    /** A file whose tensors are those of the model, but for a state. */
    private static byte[] withState(byte[] state) throws IOException {
        Path file = temporary.resolve("state.safetensors");
        Files.deleteIfExists(file);
        try (SafeTensors source = SafeTensors.open(FOUR_BIT.resolve("model.safetensors"))) {
            List<SafeTensors.Plan> plans = source.entries().values().stream()
                    .map(entry -> new SafeTensors.Plan(
                            entry.name(),
                            entry.dtype(),
                            entry.name().equals(STATE) ? List.of((long) state.length) : entry.shape()))
                    .toList();
            SafeTensors.write(file, plans, ByteBuffer.allocateDirect(1 << 16), (plan, offset, chunk) -> {
                if (plan.name().equals(STATE)) {
                    chunk.put(state, (int) offset, chunk.remaining());
                } else {
                    source.read(Objects.requireNonNull(source.entries().get(plan.name())), offset, chunk);
                }
            });
        }
        return Files.readAllBytes(file);
    }

    /** Whether a model loads with this file, which is then as before. */
    private static boolean isLoaded(Path directory, String name, byte[] content) throws IOException {
        Path file = directory.resolve(name);
        Device device = models().device;
        byte @Nullable [] before = Files.exists(file) ? Files.readAllBytes(file) : null;
        Files.write(file, content);
        try {
            return isAccepted(
                    directory, () -> Model.load(directory, device, DType.F32).close());
        } finally {
            if (before == null) {
                Files.delete(file);
            } else {
                Files.write(file, before);
            }
            assertThat(device.allocatedBytes()).isZero();
        }
    }

    private static boolean isTokenizer(byte[] content) throws IOException {
        Files.write(temporary.resolve("tokenizer.json"), content);
        return isAccepted(temporary, () -> {
            try (Tokenizer tokenizer = Tokenizer.load(temporary, VOCABULARY)) {
                tokenizer.encodeStart("ab c");
            }
        });
    }

    /** Whether this succeeds. If not, it must fail with an error that names the directory, or an id that has no token. */
    private static boolean isAccepted(Path directory, Runnable use) {
        long begin = processorNanos();
        try {
            use.run();
            return true;
        } catch (Dpo4jException e) {
            List<String> expected = List.of(directory.toString(), "the tokenizer has no token for a part of the text");
            String message = String.valueOf(e.getMessage());
            assertThat(expected).as(message).anyMatch(message::contains);
            return false;
        } finally {
            assertThat(processorNanos() - begin).isLessThan(MAX_NANOS);
        }
    }

    /** Of this thread, so that other programs do not count. */
    private static long processorNanos() {
        return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    }
}
