package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.function.UnaryOperator;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Paths that are no model directory: the error says what they are and what to give instead. */
class ModelDirectoryTest {
    private static final ModelConfig CONFIG = Llama.config(37, 16, 24, 2, 2, 1, 64, false);

    private static final String POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";

    @TempDir
    private Path directory;

    private Path model;
    private Device device;

    @BeforeEach
    void makeModel() {
        device = Devices.cpu(1);
        model = directory.resolve("model");
        try (Model made = Model.create(CONFIG, device, DType.F32, 3)) {
            made.save(model, DType.F32);
        }
    }

    @AfterEach
    void closeDevice() {
        device.close();
    }

    private void refused(Path given, String... words) {
        assertThatThrownBy(() -> Model.load(given, device, DType.F32).close())
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContainingAll(words)
                .message()
                .doesNotContain("\n")
                .hasSizeLessThan(600);
    }

    private static Path write(Path file, String hex) throws IOException {
        return Files.write(file, HexFormat.of().parseHex(hex));
    }

    /** Also of files that a directory may lack: a link says that it should have them. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "config.json",
                "generation_config.json",
                "model.safetensors",
                "model.safetensors.index.json",
                "tokenizer.json",
                "tokenizer_config.json"
            })
    void aLinkToNothingIsNamed(String name) throws IOException {
        Files.deleteIfExists(model.resolve(name));
        Files.createSymbolicLink(model.resolve(name), Path.of("../../blobs/4d7a"));
        refused(
                model,
                model.resolve(name)
                        + " is a link to ../../blobs/4d7a, which does not exist; download the model again, or copy");
        Path link = Files.createSymbolicLink(directory.resolve("link"), Path.of("nowhere"));
        refused(link, link + " is a link to nowhere, which does not exist");
    }

    @Test
    void aLinkToNothingThatIsNotReadIsLeftAlone() throws IOException {
        Files.createSymbolicLink(model.resolve("README.md"), Path.of("nowhere"));
        Model.load(model, device, DType.F32).close();
    }

    @Test
    void anIdOfTheHubIsNamed() {
        for (String id : List.of("Qwen/Qwen2-0.5B", "gpt2")) {
            refused(
                    Path.of(id),
                    id
                            + " is not a directory here; if it is a model of the Hugging Face hub,"
                            + " download it first (hf download " + id + " --local-dir ");
        }
        refused(
                Path.of("https://huggingface.co/Qwen/Qwen2-0.5B"),
                "is an address; give a directory, or the name of a model, owner/name, with --download");
        refused(
                directory.resolve("absent"),
                directory.resolve("absent") + " does not exist; give a Hugging Face model");
    }

    @Test
    void aFileInsteadOfADirectoryIsNamed() throws IOException {
        Path weights = model.resolve("model.safetensors");
        refused(weights, weights + " is a file; give the directory that holds it, " + model);
        refused(model.resolve("config.json"), "config.json is a file; give the directory that holds it, " + model);
        Path gguf = write(directory.resolve("model.Q4_K_M.gguf"), "4747554603000000"); // GGUF, version 3
        refused(gguf, gguf + " is a GGUF file of llama.cpp, which is not supported; give the Hugging Face directory");
        Path pickle = write(directory.resolve("pytorch_model.bin"), "80028a0a6cfc9c46f920"); // torch before 1.6
        refused(pickle, pickle + " is a Python pickle; loading it can run code, so it is never loaded; save the");
        Path zip = write(directory.resolve("model.zip"), "504b030414000000");
        refused(zip, zip + " is a zip archive; give a Hugging Face model directory");
    }

    @Test
    void anAdapterIsNamed() throws IOException {
        Path adapter = Files.createDirectory(directory.resolve("adapter"));
        Files.writeString(
                adapter.resolve("adapter_config.json"),
                "{\"peft_type\": \"LORA\", \"base_model_name_or_path\": \"meta-llama/Llama-3.2-1B\", \"r\": 8}");
        refused(adapter, adapter.resolve("adapter_config.json") + " has lora_alpha", "a number is expected");
        Files.writeString(
                adapter.resolve("adapter_config.json"),
                "{\"peft_type\": \"LORA\", \"base_model_name_or_path\": \"meta-llama/Llama-3.2-1B\", \"r\": 8,"
                        + " \"lora_alpha\": 8, \"target_modules\": [\"q_proj\"]}");
        refused(adapter, adapter + " is an adapter of meta-llama/Llama-3.2-1B: ", "is not a directory here");
        Path gone = directory.resolve("gone");
        Files.writeString(
                adapter.resolve("adapter_config.json"),
                "{\"base_model_name_or_path\": \"" + gone
                        + "\", \"r\": 8, \"lora_alpha\": 8, \"target_modules\": [\"q_proj\"]}");
        refused(
                adapter,
                adapter + " is an adapter of " + gone + ": this directory does not exist",
                "set base_model_name_or_path in its adapter_config.json");
    }

    @Test
    void directoriesWithoutConfigAreNamed() throws IOException {
        Path ggufs = Files.createDirectory(directory.resolve("ggufs"));
        write(ggufs.resolve("a.gguf"), "47475546");
        refused(ggufs, "a.gguf is a GGUF file of llama.cpp");
        Path runs = Files.createDirectory(directory.resolve("runs"));
        Files.move(model, runs.resolve("checkpoint-500"));
        refused(runs, runs + " holds no config.json; give one of checkpoint-500");
        Path adapter = Files.createDirectory(directory.resolve("adapter"));
        Files.createFile(adapter.resolve("adapter_model.safetensors"));
        refused(adapter, " holds only the weights of a PEFT adapter (adapter_model.safetensors), without");
        Path original = Files.createDirectory(directory.resolve("original"));
        Files.createFile(original.resolve("consolidated.00.pth"));
        refused(
                original,
                " holds consolidated.00.pth, a model in its authors' own format; give its Hugging Face version");
        Path cache = directory.resolve("models--a--b");
        Files.createDirectories(cache.resolve("snapshots/0123abc"));
        refused(cache, " is a directory of the hub's cache; give one of snapshots/0123abc");
    }

    @Test
    void weightsOfOtherFormatsAreNamed() throws IOException {
        Files.delete(model.resolve("model.safetensors"));
        refused(model, "holds neither model.safetensors nor model.safetensors.index.json, and no other weights");
        Files.createFile(model.resolve("model-00001-of-00002.safetensors"));
        refused(model, "; it holds model-00001-of-00002.safetensors: download the index if these are shards");
        for (String foreign : List.of("tf_model.h5", "flax_model.msgpack", "model.onnx", "rust_model.ot")) {
            Files.delete(model.resolve("model-00001-of-00002.safetensors"));
            Files.createFile(model.resolve(foreign));
            refused(
                    model,
                    "; it holds " + foreign + ", weights of another library; load the model from that format,"
                            + " and save it with transformers' save_pretrained(safe_serialization=True)");
            Files.delete(model.resolve(foreign));
            Files.createFile(model.resolve("model-00001-of-00002.safetensors"));
        }
        Files.createFile(model.resolve("tf_model.h5"));
        refused(model, "; it holds model-00001-of-00002.safetensors: download the index if these are shards");
        Files.createFile(model.resolve("pytorch_model-00001-of-00002.bin"));
        refused(model, "; it holds pytorch_model-00001-of-00002.bin, a pickle, which can run code and is never loaded");
    }

    @ParameterizedTest
    @CsvSource({"config.json", "model.safetensors", "generation_config.json"})
    void filesOfAnotherKindAreNamed(String name) throws IOException {
        Path file = model.resolve(name);
        Files.writeString(file, POINTER);
        refused(model, file + " is a Git LFS pointer, not the file itself; run git lfs pull where it was cloned");
        Files.writeString(file, "<!DOCTYPE html><html><body>Access denied</body></html>");
        refused(model, file + " is a web page; download the file itself");
        Files.writeString(file, "{\n<<<<<<< HEAD\n\"a\": 1\n=======\n\"a\": 2\n>>>>>>> main\n}\n");
        refused(
                model,
                file + " is a file with git's merge conflict markers; keep one version of each conflict, without the"
                        + " lines of <, = and >");
        write(file, "1f8b0800000000000003");
        refused(model, file + " is a gzip file; download it again");
        Files.write(file, new byte[0]);
        refused(model, file.toString(), "download it again");
    }

    /** In a clone without git lfs the index and the shards are pointers. */
    @Test
    void shardsThatArePointersAreNamed() throws IOException {
        Files.delete(model.resolve("model.safetensors"));
        Path index = model.resolve("model.safetensors.index.json");
        Files.writeString(index, POINTER);
        refused(model, index + " is a Git LFS pointer");
        Files.writeString(index, "{\"weight_map\": {\"model.norm.weight\": \"model-00001-of-00001.safetensors\"}}");
        Path shard = model.resolve("model-00001-of-00001.safetensors");
        Files.writeString(shard, POINTER);
        refused(model, shard + " is a Git LFS pointer");
        Files.delete(shard);
        refused(model, shard + " does not exist; download the model again");
    }

    /** huggingface_hub's save_torch_state_dict writes {"metadata": ..., "weight_map": {tensor: shard}}. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
        {} | has no weight_map
        {"metadata": {}} | has no weight_map
        {"weight_map": null} | has a weight_map that is not an object
        {"weight_map": ["a"]} | has a weight_map that is not an object
        {"weight_map": {}} | has a weight_map that is empty
        {"weight_map": {"model.norm.weight": 1}} | places tensor model.norm.weight in 1, which is not a file name
        """)
    void anIndexWithoutShardsIsRefused(String json, String fault) throws IOException {
        Files.delete(model.resolve("model.safetensors"));
        Path index = Files.writeString(model.resolve("model.safetensors.index.json"), json);
        refused(model, index + " " + fault + "; it does not say which shard holds which tensor, so download it again");
    }

    @Test
    void malformedJsonIsRefused() throws IOException {
        Files.writeString(model.resolve("config.json"), "{\n \"vocab_size\": 37,\n}\n");
        refused(
                model,
                "config.json is not valid JSON: a comma stands before }, with no key after it at line 3 column 1;"
                        + " download it again");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "module.|DataParallel, DDP or DeepSpeed wrote it",
                "_orig_mod.|torch.compile wrote it",
                "_orig_mod.module.|torch.compile wrote it",
                "base_model.model.|PEFT wrote it",
                "pretrained_model.|value head",
                "policy.|save the inner model alone"
            })
    void aPrefixBeforeEveryNameIsNamed(String prefix, String writer) {
        rename(name -> prefix + name, "F32");
        refused(
                model,
                model + ": the names of its tensors begin with \"" + prefix + "\" (" + prefix
                        + "model.embed_tokens.weight); ",
                writer);
    }

    @Test
    void missingAndForeignPrefixesAreNamed() {
        rename(name -> name.replaceFirst("^model\\.", ""), "F32");
        refused(
                model,
                ": the names of its tensors lack \"model.\" (embed_tokens.weight instead of model.embed_tokens.weight)");
        rename(
                name -> name.replaceFirst("^model\\.(embed_tokens|norm)", "wrapped.$1")
                        .replaceFirst("^model\\.", ""),
                "F32");
        refused(model, ": the names of its tensors lack \"model.\" (layers.0."); // as do 18 of 20
        rename(name -> "model.layers.0.self_attn.q_proj.lora_A." + name, "F32");
        refused(model, " holds tensors of a LoRA adapter (model.layers.0.self_attn.q_proj.lora_A.");
    }

    @ParameterizedTest
    @ValueSource(strings = {"transformer.", "llama.", "language_model.", "backbone.decoder."})
    void anotherPrefixIsNamed(String prefix) {
        rename(name -> name.replaceFirst("^model\\.", prefix), "F32");
        refused(
                model,
                model + ": the names of its tensors begin with \"" + prefix + "\" instead of \"model.\" (" + prefix
                        + "embed_tokens.weight instead of model.embed_tokens.weight); rename them");
        rename(name -> prefix + name.replaceFirst("^model\\.", ""), "F32"); // the head too
        refused(model, "begin with \"" + prefix + "\" instead of \"model.\"");
    }

    /** If only one tensor ends in the name of a tensor of the model, the error suggests no prefix. */
    @Test
    void namesOfAnotherArchitectureAreReportedAsMissing() {
        rename(name -> name.endsWith("model.norm.weight") ? "gpt.norm.weight" : "gpt." + name.hashCode(), "F32");
        assertThatThrownBy(() -> Model.load(model, device, DType.F32).close())
                .hasMessageContainingAll("model.embed_tokens.weight is missing", "check that both belong to one model");
    }

    @Test
    void weightsOfAnotherTypeAreRefused() {
        rename(name -> name, "F64");
        refused(
                model,
                model
                        + ": of 21 tensors, 21 have the type F64, but only F32, BF16 and F16 are supported; save the model");
    }

    /** Writes zeros of the model's shapes under other names, in another type: the header by the format's README. */
    private void rename(UnaryOperator<String> names, String type) {
        int width = type.equals("F64") ? 8 : 4;
        var header = JsonFile.object();
        long begin = 0;
        for (ParameterTensor tensor : new ParameterLayout(CONFIG).tensors()) {
            var entry = header.putObject(names.apply(tensor.name())).put("dtype", type);
            tensor.shape().forEach(entry.putArray("shape")::add);
            entry.putArray("data_offsets").add(begin).add(begin + width * tensor.count());
            begin += width * tensor.count();
        }
        byte[] json = header.toString().getBytes(StandardCharsets.UTF_8);
        var bytes = ByteBuffer.allocate((int) (8 + json.length + begin))
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.length)
                .put(json);
        TestFiles.write(model.resolve("model.safetensors"), bytes.array());
    }
}
