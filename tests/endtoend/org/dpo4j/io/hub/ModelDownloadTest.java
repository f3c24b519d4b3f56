package org.dpo4j.io.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;
import static org.dpo4j.model.RefusalAssertions.assertRefusedWith;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.dpo4j.model.NamedModel;
import org.dpo4j.model.TestFiles;
import org.dpo4j.model.TestJvm;
import org.dpo4j.train.ModelDownload;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which files of a model are downloaded, and commands that are given its name. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ModelDownloadTest {
    private static final Path NAME = Path.of("owner/tiny");
    private static final String PAIR = "{\"prompt_ids\":[1],\"chosen_ids\":[5,2],\"rejected_ids\":[6,7,2]}\n";

    @TempDir
    private Path directory;

    private final HubServer server = new HubServer("models/owner/tiny");

    @AfterEach
    void stop() {
        server.close();
    }

    private void serve(String... names) {
        for (String name : names) {
            server.with(name, "content of " + name);
        }
    }

    private static NamedModel model(Path given) {
        return new NamedModel(NamedModel.Origin.MODEL, given, null);
    }

    private void download() {
        ModelDownload.all(model(NAME), server.open(directory));
    }

    @Test
    void filesThatAreReadAndNoOthers() {
        List<String> read = List.of(
                "README.md",
                "additional_chat_templates/tools.jinja",
                "chat_template.jinja",
                "config.json",
                "generation_config.json",
                "merges.txt",
                "model.safetensors",
                "special_tokens_map.json",
                "tokenizer.json",
                "tokenizer_config.json",
                "vocab.json");
        serve(read.toArray(String[]::new));
        serve(
                ".gitattributes",
                "adapter_model.safetensors",
                "consolidated.safetensors",
                "model-00001-of-00002.safetensors",
                "model.safetensors.index.json",
                "modeling_tiny.py",
                "onnx/model.onnx",
                "original/params.json",
                "pytorch_model.bin",
                "training_args.bin");
        download();
        assertThat(server.fetched()).containsExactlyInAnyOrderElementsOf(read);
    }

    @Test
    void shardsOfTheIndex() {
        serve("config.json", "a-1.safetensors", "a-2.safetensors", "a-3.safetensors");
        server.with(
                "model.safetensors.index.json",
                "{\"weight_map\": {\"x\": \"a-1.safetensors\", \"y\": \"a-3.safetensors\","
                        + " \"z\": \"a-1.safetensors\"}}");
        download();
        assertThat(server.fetched())
                .containsExactlyInAnyOrder(
                        "config.json", "model.safetensors.index.json", "a-1.safetensors", "a-3.safetensors");
    }

    @Test
    void anIndexNamesFilesOfTheRepositoryOnly() {
        serve("config.json");
        server.with("model.safetensors.index.json", "{\"weight_map\": {\"x\": \"../../../../x.safetensors\"}}");
        assertRefused(this::download, "model owner/tiny has no file ../../../../x.safetensors; give another revision");
        assertThat(directory.resolve("models--owner--tiny/refs")).doesNotExist();
    }

    @Test
    void anAdapterAndItsBaseModel() {
        serve("adapter_model.safetensors", "adapter_model.bin", "tokenizer.json");
        server.with("adapter_config.json", "{\"base_model_name_or_path\": \"owner/base\", \"revision\": null}");
        server.repository("models/owner/base");
        serve("config.json", "model.safetensors");
        List<String> files = List.of(
                "adapter_config.json",
                "adapter_model.safetensors",
                "tokenizer.json",
                "config.json",
                "model.safetensors");
        download();
        assertThat(server.fetched()).containsExactlyInAnyOrderElementsOf(files);
    }

    @Test
    void picklesAreNotDownloaded() {
        serve("config.json", "pytorch_model.bin", "tf_model.h5");
        assertRefusedWith(
                this::download,
                "model owner/tiny has neither model.safetensors nor model.safetensors.index.json, but pytorch_model.bin,"
                        + " tf_model.h5; give a repository or a model_revision with weights in safetensors, as the pull"
                        + " request refs/pr/N of a conversion");
        assertThat(server.fetched()).isEmpty();
        ModelDownload.tokenizer(model(NAME), server.open(directory));
        assertThat(server.fetched()).containsExactly("config.json");
    }

    @Test
    void pathsAreNotDownloaded() throws IOException {
        Hub hub = server.open(directory);
        ModelDownload.all(model(directory), hub);
        ModelDownload.all(model(directory.resolve("absent")), hub);
        ModelDownload.all(model(Path.of("a/b/c")), hub);
        Path link = Files.createSymbolicLink(directory.resolve("link"), Path.of("nowhere"));
        ModelDownload.all(model(link), hub);
        assertThat(server.requests()).isEmpty();
        assertRefusedWith(
                () -> new NamedModel(NamedModel.Origin.MODEL, directory, "v1").directory(),
                "model_revision is v1, but model_name_or_path " + directory
                        + " is a path here, which has no revisions; leave model_revision out");
        assertThat(new NamedModel(NamedModel.Origin.MODEL, directory, "main").directory())
                .isEqualTo(directory);
    }

    /** An error names the option that gives the revision. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        MODEL | model_revision
        REFERENCE | ref_model_revision
        ADAPTER | revision of adapter_config.json
        """)
    void errorsNameTheOptionOfTheRevision(NamedModel.Origin origin, String option) {
        Hub hub = server.open(directory);
        server.fault("/revision/v9", exchange -> {
            exchange.getResponseHeaders().add("X-Error-Code", "RevisionNotFound");
            HubServer.send(exchange, 404, "");
        });
        assertRefused(
                () -> ModelDownload.all(new NamedModel(origin, NAME, "v9"), hub),
                "the hub has no revision v9; correct " + option + " (status 404");
        assertRefused(
                () -> new NamedModel(origin, NAME, "../x").repository(),
                option + " is ../x; it must be a branch, a tag or the hash of a commit");
        assertRefused(
                () -> new NamedModel(origin, directory, "v9").directory(), option + " is v9, but ", "leave " + option);
        serve("config.json", "pytorch_model.bin");
        assertRefused(
                () -> ModelDownload.all(new NamedModel(origin, NAME, null), hub),
                "give a repository or a " + option + " with weights in safetensors");
    }

    /** A run and another command download the same model at the same time. Then the command runs again without a network. */
    @Test
    void twoProcessesDownloadEachFileOnceAndUseIt() throws IOException, InterruptedException {
        Path model = TestFiles.golden("llama-tiny");
        byte[] weights = Files.readAllBytes(model.resolve("model.safetensors"));
        server.with("config.json", Files.readAllBytes(model.resolve("config.json")))
                .with("model.safetensors", weights)
                .with("README.md", "---\nlicense: mit\n---\n")
                .repository("datasets/owner/rows")
                .with("data/train-00000-of-00001.jsonl", PAIR + PAIR)
                .with("data/test-00000-of-00001.jsonl", PAIR)
                .fault("/signed/", exchange -> {
                    HubServer.sleep(1000); // until the other process waits for the lock
                    HubServer.sendFrom(exchange, weights);
                });
        Path out = directory.resolve("out");
        List<Process> processes = List.of(
                command(Map.of(), "logps", "--download").start(),
                command(
                                Map.of(),
                                "dpo",
                                "--download",
                                "--output_dir=" + out,
                                "--max_steps=1",
                                "--eval_strategy=steps",
                                "--report_to=none")
                        .start());
        List<String> printed = new ArrayList<>();
        for (Process process : processes) {
            printed.add(new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
            assertThat(process.waitFor()).as(printed.toString()).isZero();
        }
        assertThat(server.fetched())
                .containsExactlyInAnyOrder(
                        "config.json",
                        "model.safetensors",
                        "README.md",
                        "data/train-00000-of-00001.jsonl",
                        "data/test-00000-of-00001.jsonl");
        assertThat(printed.get(1)).contains("step 1  loss 0.6931").containsPattern("eval_loss|eval loss");
        assertThat(out.resolve("README.md"))
                .content()
                .contains("base_model: owner/tiny", "datasets:\n- owner/rows", "license: mit");
        int before = server.requests().size();
        String offline = TestJvm.run(command(Map.of("HF_HUB_OFFLINE", "1"), "logps"), 0);
        assertThat(rows(offline)).hasSize(2).isEqualTo(rows(printed.get(0)));
        assertThat(server.requests()).hasSize(before);
    }

    private static List<String> rows(String printed) {
        return printed.lines().filter(line -> line.startsWith("{")).toList();
    }

    private ProcessBuilder command(Map<String, String> variables, String name, String... options) {
        List<String> command = TestJvm.command("org.dpo4j.cli.Main", name);
        command.addAll(List.of(
                "--model_name_or_path=" + NAME, "--dataset_name=owner/rows", "--device=cpu", "--dataset_cache=false"));
        command.addAll(List.of(options));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().putAll(server.environment(directory.resolve("hub")));
        builder.environment().putAll(variables);
        return builder;
    }
}
