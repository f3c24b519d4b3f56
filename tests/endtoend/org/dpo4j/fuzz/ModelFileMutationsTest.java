package org.dpo4j.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.UnaryOperator;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Model;
import org.dpo4j.model.SaveFormat;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Randomly changed files of a model. Each loads, or is refused with an error that names it, within a second of processor time. The changes
 * depend on a seed only, so a failure names the seed that repeats it. The system property {@code dpo4j.fuzz.cases} is the
 * number of changes per file.
 */
class ModelFileMutationsTest {
    private static final int CASES = Integer.getInteger("dpo4j.fuzz.cases", 40);
    private static final long MAX_NANOS = 1_000_000_000L;
    private static final int VOCABULARY = 300;

    @TempDir
    private Path directory;

    private Device device;

    @BeforeEach
    void makeModel() {
        device = Devices.cpu(1);
        try (Model model = Model.load(TestFiles.golden("families/smollm3"), device, DType.F32)) {
            model.save(directory, SaveFormat.unchanged());
        }
    }

    @AfterEach
    void closeDevice() {
        device.close();
    }

    private void load() {
        Model.load(directory, device, DType.F32).close();
    }

    /** Changes a file many times. What {@code use} then does must succeed, or refuse the file by its name. */
    private void fuzz(String name, Runnable use, String... names) throws IOException {
        byte[] valid = Files.readAllBytes(directory.resolve(name));
        fuzz(name, use, seed -> new JsonMutations(new Random(seed)).change(valid), names);
        Files.write(directory.resolve(name), valid);
    }

    private interface Change {
        byte[] apply(long seed);
    }

    private void fuzz(String name, Runnable use, Change change, String... names) throws IOException {
        int refused = 0;
        for (long seed = 0; seed < CASES; seed++) {
            byte[] content = change.apply(seed);
            Files.write(directory.resolve(name), content);
            long begin = processorNanos();
            try {
                use.run();
            } catch (Dpo4jException e) {
                refused++;
                assertThat(e.getMessage())
                        .as("%s, seed %d: %s", name, seed, start(content))
                        .satisfiesAnyOf(
                                message -> assertThat(message).contains(name),
                                message -> assertThat(names).anyMatch(message::contains));
            } catch (RuntimeException | Error e) {
                throw new AssertionError(name + ", seed " + seed + ": " + start(content), e);
            }
            assertThat(processorNanos() - begin)
                    .as("%s, seed %d: %s", name, seed, start(content))
                    .isLessThan(MAX_NANOS);
        }
        assertThat(refused).as("refused files").isGreaterThan(CASES / 4);
    }

    private static String start(byte[] content) {
        String text = new String(content, StandardCharsets.UTF_8);
        return text.length() < 2000 ? text : text.substring(0, 2000) + "...";
    }

    @Test
    void configs() throws IOException {
        for (String family :
                List.of("smollm3", "even-llama-yarn", "even-granite", "even-phi3", "qwen2-window", "gemma2")) {
            Files.copy(
                    TestFiles.golden("families").resolve(family).resolve("config.json"),
                    directory.resolve("config.json"),
                    StandardCopyOption.REPLACE_EXISTING);
            fuzz("config.json", this::load);
        }
    }

    @Test
    void generationConfigs() throws IOException {
        Files.writeString(
                directory.resolve("generation_config.json"),
                "{\"bos_token_id\": 1, \"eos_token_id\": [2, 3], \"temperature\": 0.6, \"top_k\": 50, \"top_p\": 0.9,"
                        + " \"do_sample\": true, \"max_length\": 64, \"repetition_penalty\": 1.1}");
        byte[] valid = Files.readAllBytes(directory.resolve("generation_config.json"));
        int cases = 0;
        for (long seed = 0; seed < CASES; seed++) {
            Files.write(directory.resolve("generation_config.json"), new JsonMutations(new Random(seed)).change(valid));
            try {
                load();
            } catch (Dpo4jException e) {
                cases++;
                assertThat(e.getMessage()).contains("generation_config.json");
            }
        }
        assertThat(cases).isPositive();
    }

    /** The header is changed; its length is then right, except in some cases. */
    @Test
    void headers() throws IOException {
        byte[] valid = Files.readAllBytes(directory.resolve("model.safetensors"));
        int length = (int) ByteBuffer.wrap(valid).order(ByteOrder.LITTLE_ENDIAN).getLong();
        byte[] header = Arrays.copyOfRange(valid, 8, 8 + length);
        fuzz(
                "model.safetensors",
                this::load,
                seed -> {
                    byte[] changed = new JsonMutations(new Random(seed)).change(header);
                    long claimed = seed % 10 == 0 ? new Random(seed).nextLong() >>> (seed % 64) : changed.length;
                    return ByteBuffer.allocate(8 + changed.length + valid.length - 8 - length)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .putLong(claimed)
                            .put(changed)
                            .put(valid, 8 + length, valid.length - 8 - length)
                            .array();
                },
                directory + ": config.json and the weights disagree",
                directory + ": ");
    }

    @Test
    void indices() throws IOException {
        try (Model model = Model.load(directory, device, DType.F32)) {
            model.save(directory, new SaveFormat(null, 6000));
        }
        fuzz("model.safetensors.index.json", this::load, directory.toString());
    }

    @Test
    void tokenizers() throws IOException {
        UnaryOperator<String> quoted = text -> "\"" + text + "\"";
        StringBuilder vocabulary = new StringBuilder();
        for (int i = 0; i < 26; i++) {
            vocabulary
                    .append(quoted.apply(Character.toString('a' + i)))
                    .append(": ")
                    .append(i + 3)
                    .append(", ");
        }
        Files.writeString(
                directory.resolve("tokenizer.json"),
                "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, \"added_tokens\": [{\"id\": 0, \"content\":"
                        + " \"<s>\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false,"
                        + " \"special\": true}], \"normalizer\": {\"type\": \"NFC\"}, \"pre_tokenizer\": {\"type\":"
                        + " \"Whitespace\"}, \"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\":"
                        + " {\"id\": \"<s>\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}], \"pair\":"
                        + " [{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}],"
                        + " \"special_tokens\": {\"<s>\": {\"id\": \"<s>\", \"ids\": [0], \"tokens\": [\"<s>\"]}}},"
                        + " \"decoder\": null, \"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": \"<unk>\","
                        + " \"fuse_unk\": false, \"byte_fallback\": false, \"vocab\": {\"<s>\": 0, \"<unk>\": 1, "
                        + vocabulary + "\"ab\": 29}, \"merges\": [[\"a\", \"b\"]]}}");
        fuzz(
                "tokenizer.json",
                () -> {
                    try (Tokenizer tokenizer = Tokenizer.load(directory, VOCABULARY)) {
                        tokenizer.encodeStart("ab c");
                    }
                },
                "the tokenizer has no token for a part of the text");
    }

    /** Of this thread, so that other programs do not count. */
    private static long processorNanos() {
        return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    }
}
