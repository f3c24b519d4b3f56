package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.export.GgufCases;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The commands that a complete run ends with. */
class NextStepsTest {
    @TempDir
    Path directory;

    @Test
    void aRunEndsWithTheCommandsOfItsModel() throws IOException {
        Path model = GgufCases.write("llama3", Files.createDirectory(directory.resolve("model")));
        Path rows = TestFiles.write(directory.resolve("rows.jsonl"), """
                {"prompt": "The girl ", "chosen": "was happy.", "rejected": "was there."}
                """);
        Path out = directory.resolve("out of it");
        Cli run = Cli.run(
                        "dpo --model_name_or_path %s --dataset_name %s --output_dir %s --device cpu --num_train_epochs 1",
                        model, rows, out)
                .assertSucceeded();
        List<String> lines = run.out()
                .subList(
                        run.out().indexOf("the model in other programs:"),
                        run.out().size());
        assertThat(lines).hasSize(5);
        assertThat(lines.get(1)).startsWith("  transformers  python -c ").endsWith("'" + out + "' \"Hello\"");
        assertThat(lines.get(2)).isEqualTo("  vLLM          vllm serve '" + out + "'  (not tried)");
        String file = out.resolve("model.gguf").toString();
        assertThat(lines.get(3)).contains("./dpo4j export '" + out + "' '" + file + "' && llama-cli -m '" + file + "'");
        assertThat(lines.get(4)).contains("echo FROM '" + file + "' > Modelfile", "(not tried)");
        Cli.run("export %s %s", out, file).assertSucceeded();
    }

    @Test
    void aFamilyWithoutGgufHasNoSuchCommands() throws IOException {
        Path model = TestFiles.copyModel("families/phi3", directory.resolve("phi3"));
        assertThat(NextSteps.lines(model)).isEmpty();
        TestFiles.write(model.resolve("tokenizer.json"), "{}");
        assertThat(NextSteps.lines(model)).hasSize(3).noneMatch(line -> line.contains("gguf"));
    }

    /** A quote in a path does not end the shell's word. */
    @Test
    void pathsAreQuotedForAShell() throws IOException {
        Path model = TestFiles.copyModel("families/phi3", directory.resolve("it's"));
        TestFiles.write(model.resolve("tokenizer.json"), "{}");
        assertThat(NextSteps.lines(model).get(2)).contains("vllm serve '" + directory + "/it'\\''s'");
    }
}
