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

/** Which files of a model are downloaded, and commands that are given its name. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ModelDownloadTest {
    private static final Path NAME = Path.of("owner/tiny");

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

    private void download() {
        ModelDownload.all(NAME, null, server.open(directory));
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
    void anAdapter() {
        serve("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin", "tokenizer.json");
        download();
        assertThat(server.fetched())
                .containsExactlyInAnyOrder("adapter_config.json", "adapter_model.safetensors", "tokenizer.json");
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
        ModelDownload.tokenizer(NAME, null, server.open(directory));
        assertThat(server.fetched()).containsExactly("config.json");
    }

    @Test
    void pathsAreNotDownloaded() throws IOException {
        Hub hub = server.open(directory);
        ModelDownload.all(directory, null, hub);
        ModelDownload.all(directory.resolve("absent"), null, hub);
        ModelDownload.all(Path.of("a/b/c"), null, hub);
        Path link = Files.createSymbolicLink(directory.resolve("link"), Path.of("nowhere"));
        ModelDownload.all(link, null, hub);
        assertThat(server.requests()).isEmpty();
        assertRefusedWith(
                () -> NamedModel.directory(directory, "v1"),
                "model_revision is v1, but model_name_or_path " + directory
                        + " is a path here, which has no revisions; leave model_revision out");
        assertThat(NamedModel.directory(directory, "main")).isEqualTo(directory);
    }

    /** Two processes that download at once, both of which then compute log-probs; then one without a network. */
    @Test
    void twoProcessesDownloadEachFileOnceAndLoadTheModel() throws IOException, InterruptedException {
        Path model = TestFiles.golden("llama-tiny");
        for (String name : List.of("config.json", "model.safetensors")) {
            server.with(name, Files.readAllBytes(model.resolve(name)));
        }
        server.fault("/signed/", exchange -> {
            try {
                Thread.sleep(1500); // until the other process waits for the lock
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            HubServer.sendFrom(exchange, Files.readAllBytes(model.resolve("model.safetensors")));
        });
        Path rows = TestFiles.write(directory.resolve("rows.jsonl"), "{\"prompt_ids\":[1],\"completion_ids\":[5,2]}\n");
        List<Process> processes = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            processes.add(logps(rows, Map.of(), "--download").start());
        }
        List<String> printed = new ArrayList<>();
        for (Process process : processes) {
            printed.add(new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
            assertThat(process.waitFor()).as(printed.toString()).isZero();
        }
        assertThat(printed).allMatch(text -> text.contains("\"logps\":"));
        assertThat(server.fetched()).containsExactlyInAnyOrder("config.json", "model.safetensors");
        int before = server.requests().size();
        String offline = TestJvm.run(logps(rows, Map.of("HF_HUB_OFFLINE", "1")), 0);
        assertThat(printed.get(0))
                .contains(offline.lines()
                        .filter(line -> line.startsWith("{"))
                        .findFirst()
                        .orElse("no row in " + offline));
        assertThat(server.requests()).hasSize(before);
    }

    private ProcessBuilder logps(Path rows, Map<String, String> variables, String... options) {
        List<String> command = TestJvm.command(
                "org.dpo4j.cli.Main",
                "logps",
                "--model_name_or_path",
                NAME.toString(),
                "--dataset_name",
                rows.toString(),
                "--device",
                "cpu");
        command.addAll(List.of(options));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().putAll(server.environment(directory.resolve("hub")));
        builder.environment().putAll(variables);
        return builder;
    }
}
