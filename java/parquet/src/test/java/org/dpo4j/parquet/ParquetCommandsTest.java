package org.dpo4j.parquet;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.cli.Main;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Commands on a directory of Parquet files like that of HuggingFaceH4/ultrafeedback_binarized. */
class ParquetCommandsTest {
    private static final Path FILES = Path.of(System.getenv("DPO4J_ROOT")).resolve("tests/golden/parquet");
    private static final String TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
            + "{% if add_generation_prompt %}assistant: {% endif %}";

    @TempDir
    Path directory;

    private Path model;
    private Path data;

    @BeforeEach
    void writeModelAndData() throws IOException {
        String shared = System.getenv("DPO4J_DATA");
        assumeTrue(shared != null, "DPO4J_DATA names no directory of models");
        Path published = Path.of(shared, "models/TinyStories-656K");
        model = Files.createDirectory(directory.resolve("model"));
        for (String name : List.of("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")) {
            Files.copy(published.resolve(name), model.resolve(name));
        }
        Files.writeString(model.resolve("chat_template.jinja"), TEMPLATE);
        data = directory.resolve("ultrafeedback");
        Files.createDirectories(data.resolve("data"));
        Files.copy(
                FILES.resolve("pairs-snappy-groups.parquet"), data.resolve("data/train_prefs-00000-of-00001.parquet"));
        Files.copy(FILES.resolve("pairs-gzip-v2.parquet"), data.resolve("data/test_prefs-00000-of-00001.parquet"));
    }

    private String run(String... words) {
        PrintStream before = System.out;
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try {
            System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
            assertThat(Main.run(words)).isZero();
        } finally {
            System.setOut(before);
        }
        return out.toString(StandardCharsets.UTF_8);
    }

    private String[] words(String command, Path rows, String... more) {
        String line =
                command + " --device cpu --max_length 256 --model_name_or_path " + model + " --dataset_name " + rows;
        String[] begin = line.split(" ");
        String[] all = Arrays.copyOf(begin, begin.length + more.length);
        System.arraycopy(more, 0, all, begin.length, more.length);
        return all;
    }

    @Test
    void dpoTrainsOnOneSplitAndEvaluatesAnother() {
        String out = run(words(
                "dpo",
                data,
                "--dataset_train_split=train_prefs",
                "--dataset_test_split=test_prefs",
                "--eval_strategy=steps",
                "--max_steps=2",
                "--output_dir=" + directory.resolve("out")));
        assertThat(out).containsPattern("(?m)^pairs +24 rows").containsPattern("(?m)^eval pairs +9 rows");
        assertThat(out).contains("eval_loss");
        assertThat(directory.resolve("out/model.safetensors")).exists();
    }

    /** In a process of its own, whose cache of the hub holds the files under the name of the data set. */
    @Test
    void theCommandOfReadmeTrains() throws IOException, InterruptedException {
        String prefix = "./dpo4j ";
        String command = Files.readAllLines(Path.of(System.getenv("DPO4J_ROOT"), "README.md")).stream()
                .filter(line -> line.startsWith(prefix + "dpo") && line.contains("ultrafeedback"))
                .findFirst()
                .orElseThrow();
        Path cached = directory.resolve("hub/datasets--HuggingFaceH4--ultrafeedback_binarized");
        Files.createDirectories(cached.resolve("refs"));
        Files.writeString(cached.resolve("refs/main"), "c0ffee");
        Files.move(data, Files.createDirectories(cached.resolve("snapshots")).resolve("c0ffee"));
        Path out = directory.resolve("out");
        List<String> words = new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-cp", classPath()));
        words.add(Main.class.getName());
        for (String word : command.substring(prefix.length()).split(" +")) {
            words.add(word.equals("MODEL") ? model.toString() : word.equals("OUT") ? out.toString() : word);
        }
        words.addAll(List.of("--device", "cpu", "--max_length", "256", "--max_steps", "1", "--logging_steps", "1"));
        words.addAll(List.of("--dataset_cache", "false"));
        Path log = directory.resolve("log");
        ProcessBuilder process =
                new ProcessBuilder(words).redirectErrorStream(true).redirectOutput(log.toFile());
        process.environment().put("HF_HUB_CACHE", directory.resolve("hub").toString());
        process.environment().put("HF_HUB_OFFLINE", "1"); // --download then uses what is there
        assertThat(process.start().waitFor()).as(Files.readString(log)).isZero();
        assertThat(Files.readString(log)).containsPattern("(?m)^step 1  loss 0\\.6931");
        assertThat(out.resolve("model.safetensors")).exists();
    }

    /** The modules and the class path of this process. */
    private static String classPath() {
        String modules = System.getProperty("jdk.module.path", "");
        return modules + (modules.isEmpty() ? "" : File.pathSeparator) + System.getProperty("java.class.path");
    }

    @Test
    void logProbsAreThoseOfTheSameRowsAsJson() throws IOException {
        StringBuilder lines = new StringBuilder();
        for (JsonNode row :
                new ObjectMapper().readTree(FILES.resolve("rows.json").toFile()).get("pairs-snappy-groups.parquet")) {
            lines.append(row).append('\n');
        }
        Path json = Files.writeString(directory.resolve("rows.jsonl"), lines);
        String expected = run(words("logps", json, "--ids"));
        assertThat(expected.lines()).hasSize(24);
        assertThat(run(words("logps", data.resolve("data/train_prefs-00000-of-00001.parquet"), "--ids")))
                .isEqualTo(expected);
    }
}
