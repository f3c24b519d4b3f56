package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The commands of README's "Your data", with small files of the shapes that it names. That with Parquet runs in ParquetCommandsTest. */
class ReadmeDataTest {
    private static final String BEGIN = "./dpo4j ";

    @TempDir
    private Path directory;

    /** The commands between the heading and the next one, without comments. */
    static List<String> commands() {
        String readme = TestFiles.read(Path.of(System.getenv("DPO4J_ROOT"), "README.md"));
        String section = readme.split("\n## Your data\n")[1].split("\n## ")[0];
        return section.lines()
                .filter(line -> line.startsWith(BEGIN))
                .map(line -> line.replaceFirst(" +#.*", "").substring(BEGIN.length()))
                .toList();
    }

    static Stream<String> commandsWithoutParquet() {
        return commands().stream().filter(line -> !line.contains("ultrafeedback"));
    }

    @Test
    void theSectionHasEachKindOfData() {
        assertThat(String.join("\n", commands()))
                .contains("ultrafeedback", "hh.jsonl.gz", "openai.jsonl", "feedback.jsonl");
    }

    @ParameterizedTest
    @MethodSource("commandsWithoutParquet")
    void theCommandTrains(String command) throws IOException {
        ChatModel.write(directory.resolve("MODEL"));
        write();
        List<String> words = Cli.words(command.replace("%", "%%"));
        words.replaceAll(word -> {
            boolean isPath = word.equals("MODEL") || word.equals("OUT") || word.contains(".jsonl");
            return isPath ? directory.resolve(word).toString() : word;
        });
        words.addAll(
                List.of("--device", "cpu", "--max_steps", "1", "--logging_steps", "1", "--dataset_cache", "false"));
        Cli run = Cli.run(words).assertSucceeded();
        // at the first step the policy is the reference: ln 2, or for kto 1 - sigmoid(0)
        String loss = command.startsWith("kto") ? "0.5" : "0.6931";
        assertThat(run.out()).anyMatch(line -> line.startsWith("step 1  loss " + loss));
        assertThat(directory.resolve("OUT/model.safetensors")).exists();
    }

    private void write() throws IOException {
        try (var gzip = new GZIPOutputStream(Files.newOutputStream(directory.resolve("hh.jsonl.gz")))) {
            gzip.write("""
                {"chosen": "\\n\\nHuman: Is tea hot?\\n\\nAssistant: Mostly.", "rejected": "\\n\\nHuman: Is tea hot?\\n\\nAssistant: No."}
                {"chosen": "\\n\\nHuman: Hi\\n\\nAssistant: Hello!", "rejected": "\\n\\nHuman: Hi\\n\\nAssistant: Go away."}
                {"chosen": "\\n\\nHuman: Hi\\n\\nAssistant: Hello!", "rejected": "\\n\\nHuman: Hi\\n\\nAssistant:"}
                """.getBytes(StandardCharsets.UTF_8));
        }
        TestFiles.write(directory.resolve("openai.jsonl"), """
            {"input": {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}], "tools": [], "parallel_tool_calls": true}, "preferred_output": [{"role": "assistant", "content": "Hello!"}], "non_preferred_output": [{"role": "assistant", "content": "What?"}]}
            {"input": {"messages": [{"role": "user", "content": "2+2?"}]}, "preferred_output": [{"role": "assistant", "content": "4"}], "non_preferred_output": [{"role": "assistant", "content": "5"}]}
            """);
        TestFiles.write(directory.resolve("feedback.jsonl"), """
            {"id": 1, "question": "Is tea hot?", "answer": "Mostly.", "thumb": true}
            {"id": 2, "question": "Is tea hot?", "answer": "No.", "thumb": false}
            {"id": 3, "question": "Hi", "answer": "Hello!", "thumb": true}
            """);
    }
}
