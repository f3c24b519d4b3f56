package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.dpo4j.export.GgufCases;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The command export: what it says, and what it refuses. Each refusal leaves no file. */
class ExportCommandTest {
    @TempDir
    Path directory;

    private Path output;

    @BeforeEach
    void name() {
        output = directory.resolve("model.gguf");
    }

    private Path model(String name) {
        try {
            return GgufCases.write(name, Files.createDirectory(directory.resolve(name)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void assertRefused(Path model, String... words) {
        Cli refused = Cli.run("export %s %s", model, output);
        refused.assertThatError().contains(words);
        assertThat(refused.code()).isEqualTo(1);
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files.filter(file -> file.toString().contains(".gguf"))).isEmpty();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Changes a key of config.json. */
    private static void set(Path model, String key, String json) {
        ObjectNode config = (ObjectNode) TestFiles.json(model.resolve("config.json"));
        config.set(key, TestFiles.json(json));
        TestFiles.write(model.resolve("config.json"), config.toString());
    }

    @Test
    void saysWhatItWrote() throws IOException {
        Cli done = Cli.run("export --format gguf --dtype q8_0 %s %s", model("llama3"), output)
                .assertSucceeded();
        assertThat(done.out()).isEmpty();
        assertThat(done.err()).last().asString().contains("model.gguf", "35 tensors", "q8_0");
        assertThat(Files.size(output)).isPositive();
    }

    @Test
    void twoPathsAreNeeded() {
        Cli.run("export model").assertThatError().contains("give two paths");
    }

    @Test
    void anExistingFileIsKept() {
        Path model = model("llama3");
        TestFiles.write(output, "mine");
        Cli.run("export %s %s", model, output).assertThatError().contains("model.gguf exists; delete it");
        assertThat(output).hasContent("mine");
    }

    /** A quiet NaN, also if the last tensor of the file is one of 16 bits. */
    @Test
    void weightsThatAreNotFiniteAreRefused() throws IOException {
        Path model = model("llama3");
        Path file = model.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length - 1] = 0x7f;
        bytes[bytes.length - 2] = (byte) 0xc0;
        Files.write(file, bytes);
        assertRefused(model, "tensor model.", " is NaN or infinite at [", "download the model again");
    }

    @Test
    void theDirectoryOfTheFileMustExist() {
        output = directory.resolve("absent/model.gguf");
        assertRefused(model("llama3"), "does not exist; make it");
    }

    @Test
    void aFullDiskEndsInOneError() {
        output = Path.of("/dev/full");
        if (Files.exists(output)) {
            Cli.run("export %s %s", model("llama3"), output)
                    .assertThatRunEndedWith()
                    .contains(
                            "/dev/full cannot be written (No space left on device); the file needs ",
                            "B are free; free space");
        }
    }

    /** The file of an adapter is that of the model that merge makes of it, with the adapter's card. */
    @Test
    void anAdapterIsMergedFirst() throws IOException {
        Path base = model("llama3");
        Path rows = TestFiles.write(directory.resolve("rows.jsonl"), """
                {"prompt": "The girl ", "chosen": "was happy.", "rejected": "was there."}
                """);
        Path adapter = directory.resolve("tuned");
        Cli trained = Cli.run(
                        "dpo --model_name_or_path %s --dataset_name %s --output_dir %s --use_peft true --lora_r 2"
                                + " --learning_rate 0.1 --device cpu --dtype float32",
                        base, rows, adapter)
                .assertSucceeded();
        assertThat(trained.out())
                .anyMatch(
                        line -> line.contains("vllm serve " + base + " --enable-lora --lora-modules tuned=" + adapter));
        Path merged = Files.createDirectory(directory.resolve("other")).resolve("tuned");
        Cli.run("merge --model_name_or_path %s --output_dir %s --device cpu", adapter, merged)
                .assertSucceeded();
        Files.copy(adapter.resolve("README.md"), merged.resolve("README.md"));
        Cli.run("export --dtype f32 %s %s", adapter, output).assertSucceeded();
        Path expected = directory.resolve("merged.gguf");
        Cli.run("export --dtype f32 %s %s", merged, expected).assertSucceeded();
        assertThat(output).hasSameBinaryContentAs(expected);
        Path plain = directory.resolve("base.gguf");
        Cli.run("export --dtype f32 %s %s", base, plain).assertSucceeded();
        assertThat(Files.mismatch(output, plain)).isNotNegative();
        TestFiles.edit(adapter.resolve("tokenizer.json"), "\"normalizer\":null", "\"normalizer\":{\"type\":\"NFKC\"}");
        Cli.run("export %s %s", adapter, directory.resolve("again.gguf"))
                .assertThatRunEndedWith()
                .contains(adapter + "/tokenizer.json: normalizer is NFKC");
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files).noneMatch(file -> file.getFileName().toString().startsWith("."));
        }
    }

    @Test
    void anAdapterWithoutBaseIsRefused() {
        Path adapter = directory.resolve("adapter");
        TestFiles.copyModel("llama-tiny", adapter);
        TestFiles.write(adapter.resolve("adapter_config.json"), "{}");
        assertRefused(adapter, "adapter");
    }

    @Test
    void anotherFamilyIsNamed() {
        Path model = TestFiles.copyModel("families/phi3", directory.resolve("phi3"));
        assertRefused(model, "config.json: model_type is \"phi3\"; GGUF is written for llama, mistral, qwen2");
    }

    @Test
    void aModelWithoutTokenizerIsRefused() {
        Path model = TestFiles.copyModel("llama-tiny", directory.resolve("tiny"));
        assertRefused(model, "has neither tokenizer.json nor tokenizer.model", "copy the tokenizer's files");
    }

    @Test
    void moreTokensThanRowsAreRefused() {
        Path model = model("qwen2");
        TestFiles.edit(model.resolve("tokenizer.json"), "\"vocab\":{", "\"vocab\":{\"more\":500,");
        assertRefused(model, "has ids up to 500, but the model's vocabulary has 121");
    }

    @Test
    void anUnknownPreTokenizerIsNamed() {
        Path model = model("yarn");
        TestFiles.edit(model.resolve("tokenizer.json"), "\"individual_digits\":true", "\"individual_digits\":false");
        assertRefused(
                model, "pre_tokenizer is Digits, ByteLevel(regex true)", "gpt-2, llama-bpe, qwen2, smollm, tekken");
    }

    @Test
    void anUnknownNormalizerIsNamed() {
        Path model = model("yarn");
        TestFiles.edit(model.resolve("tokenizer.json"), "\"normalizer\":null", "\"normalizer\":{\"type\":\"NFKC\"}");
        assertRefused(model, "normalizer is NFKC beside the rules of smollm");
    }

    @Test
    void aSentencePieceRuleThatLlamaCppLacksIsNamed() {
        assertRefused(TestFiles.real("models/stories260K/hf"), "is not a rule of SentencePiece that llama.cpp has");
    }

    @Test
    void aCutSentencePieceModelIsRefused() throws IOException {
        Path model = model("gemma3");
        Path pieces = model.resolve("tokenizer.model");
        byte[] bytes = Files.readAllBytes(pieces);
        TestFiles.write(pieces, Arrays.copyOf(bytes, 1001));
        assertRefused(model, "tokenizer.model is not a SentencePiece model, or is cut short");
    }

    @Test
    void quantizedWeightsAreRefused() {
        Path model = model("linear");
        set(model, "quantization_config", """
                {"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf4"}
                """);
        assertRefused(model, "quantization_config is set: GGUF is written from float weights");
    }

    @Test
    void weightsOfAnotherShapeAreRefused() {
        Path model = model("qwen2");
        set(model, "intermediate_size", "81");
        assertRefused(model, "mlp.gate_proj.weight has the shape [80, 64] instead of [81, 64]");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            gemma2 | query_pre_attn_scalar | 17 | query_pre_attn_scalar is 17.0000, where llama.cpp takes 16.0000 for 26 layers
            gemma2 | attn_logit_softcapping | null | attn_logit_softcapping or final_logit_softcapping is null
            gemma2 | hidden_activation | "gelu" | hidden_activation is not gelu_pytorch_tanh
            gemma3 | sliding_window_pattern | 3 | gives layer 2 no window, where llama.cpp gives one to all layers but every 6th
            llama | hidden_act | "gelu" | hidden_act is not silu
            yarn | rope_scaling | {"rope_type":"yarn","factor":4.0,"original_max_position_embeddings":32,"attention_factor":2.0} | attention_factor of yarn is 2.0
            """, maxCharsPerColumn = 400)
    void whatLlamaCppDoesNotComputeIsNamed(String name, String key, String json, String message) {
        Path model = model(name);
        set(model, key, json == null ? "null" : json);
        assertRefused(model, message, "serve this model with transformers or vLLM");
    }

    /** A window and dynamic positions, which llama.cpp leaves out: the file is written, and a line says so. */
    @Test
    void whatLlamaCppLeavesOutIsSaid() {
        Path mistral = model("mistral");
        set(mistral, "sliding_window", "16");
        assertThat(Cli.run("export %s %s", mistral, output).assertSucceeded().err())
                .anyMatch(line -> line.contains("without sliding_window 16"));
        Path linear = model("linear");
        set(linear, "rope_scaling", "{\"rope_type\": \"dynamic\", \"factor\": 2.0}");
        assertThat(Cli.run("export %s %s", linear, directory.resolve("linear.gguf"))
                        .assertSucceeded()
                        .err())
                .anyMatch(line -> line.contains("no dynamic rotary positions"));
    }

    /** Merges that were not made from a SentencePiece model, as in TinyStories: llama.cpp joins other pairs too. */
    @Test
    void mergesThatLlamaCppDoesNotKnowAreCounted() {
        Path model = TestFiles.real("models/TinyStories-656K");
        List<String> lines =
                Cli.run("export %s %s", model, output).assertSucceeded().err();
        assertThat(lines).anyMatch(line -> line.contains("joins 1064 pairs of tokens that its merges do not list"));
    }

    @Test
    void aNumberBeyondFloat16IsNamed() throws IOException {
        Path model = model("llama3");
        Path weights = model.resolve("model.safetensors");
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(weights)).order(ByteOrder.LITTLE_ENDIAN);
        int firstNumber = 8 + (int) bytes.getLong(0); // of the embedding
        TestFiles.write(weights, bytes.putFloat(firstNumber, 70_000).array());
        assertRefused(
                model,
                "tensor model.embed_tokens.weight holds a number that f16 cannot store (70000.0 is beyond 65504");
    }
}
