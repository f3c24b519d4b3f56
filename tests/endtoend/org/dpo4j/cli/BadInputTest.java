package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.dpo4j.data.LetterTokenizer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@code dpo} and {@code sft} are given wrong: one line says what, where and what to do; nothing is half-written. */
class BadInputTest {
    private static final String GOOD = "{\"prompt_ids\":[1,5,6],\"chosen_ids\":[7,8,2],\"rejected_ids\":[9,2]}\n";

    @TempDir
    Path directory;

    private String command = "dpo";
    private Path model;
    private Path data;
    private Path output;

    @BeforeEach
    void files() throws IOException {
        model = Files.createDirectory(directory.resolve("model"));
        for (String name : List.of("config.json", "model.safetensors")) {
            Files.copy(Cli.repository("tests/golden/llama-tiny").resolve(name), model.resolve(name));
        }
        data = Cli.write(directory.resolve("pairs.jsonl"), GOOD);
        output = directory.resolve("output");
    }

    private Cli run(String... more) {
        List<String> arguments = new ArrayList<>(List.of(command, "--device", "cpu", "--max_steps", "1"));
        arguments.addAll(List.of("--model_name_or_path", model.toString(), "--dataset_name", data.toString()));
        arguments.addAll(List.of("--output_dir", output.toString()));
        arguments.addAll(Arrays.asList(more));
        return Cli.run(arguments.toArray(String[]::new));
    }

    private void assertRefused(String... parts) throws IOException {
        Cli cli = run();
        assertThat(cli.code()).isEqualTo(1);
        assertThat(cli.err())
                .singleElement()
                .asString()
                .startsWith("dpo4j: error: ")
                .contains(parts);
        assertThat(cli.out()).isEmpty();
        if (Files.isDirectory(output)) {
            try (Stream<Path> left = Files.list(output)) {
                assertThat(left).isEmpty();
            }
        }
    }

    private void edit(String file, String what, String by) {
        String text = Cli.read(model.resolve(file));
        assertThat(text).contains(what);
        Cli.write(model.resolve(file), text.replace(what, by));
    }

    @Test
    void theseFilesAreGood() {
        Cli cli = run();
        assertThat(cli.code()).as("%s", cli.err()).isZero();
        assertThat(output.resolve("model.safetensors")).exists();
        assertThat(output.resolve("metrics.jsonl")).exists();
    }

    @Test
    void missingWeights() throws IOException {
        Files.delete(model.resolve("model.safetensors"));
        assertRefused(model.toString(), "model.safetensors");
    }

    @Test
    void missingConfig() throws IOException {
        Files.delete(model.resolve("config.json"));
        assertRefused(model.resolve("config.json") + " does not exist");
    }

    @Test
    void truncatedWeights() throws IOException {
        try (RandomAccessFile file =
                new RandomAccessFile(model.resolve("model.safetensors").toFile(), "rw")) {
            file.setLength(file.length() - 1000);
        }
        assertRefused("model.safetensors");
    }

    @Test
    void weightsOfAnotherShape() throws IOException {
        edit("config.json", "\"intermediate_size\": 24", "\"intermediate_size\": 32");
        assertRefused("model.layers.0.mlp.", "[24, 32]", "[32, 32]");
    }

    @Test
    void unknownArchitecture() throws IOException {
        edit("config.json", "LlamaForCausalLM", "GPT2LMHeadModel");
        assertRefused("config.json", "GPT2LMHeadModel");
        edit("config.json", "\"model_type\": \"llama\"", "\"model_type\": \"gpt2\"");
        assertRefused("config.json", "gpt2", "llama");
    }

    private void assertRowRefused(String row, String message) throws IOException {
        Cli.write(data, GOOD + row + "\n" + GOOD);
        assertRefused(data + " line 2: " + message);
        Cli skipping = run("--on_bad_row", "skip");
        assertThat(skipping.code()).as("%s", skipping.err()).isZero();
        assertThat(skipping.out()).anyMatch(line -> line.contains("2 rows; skipped 1: "));
    }

    @Test
    void idsBeyondTheVocabulary() throws IOException {
        assertRowRefused(
                "{\"prompt_ids\":[1,37],\"chosen_ids\":[7],\"rejected_ids\":[9]}",
                "prompt_ids[1] is 37, outside the model's vocabulary of 37 tokens");
    }

    @Test
    void emptyCompletions() throws IOException {
        assertRowRefused("{\"prompt_ids\":[1],\"chosen_ids\":[],\"rejected_ids\":[9]}", "chosen is empty");
    }

    @Test
    void identicalSides() throws IOException {
        assertRowRefused(
                "{\"prompt_ids\":[1],\"chosen_ids\":[9,2],\"rejected_ids\":[9,2]}",
                "chosen and rejected are the same; there is nothing to prefer");
    }

    @Test
    void promptsLongerThanTheModel() throws IOException {
        assertRowRefused(
                "{\"prompt_ids\":[1" + ",5".repeat(69) + "],\"chosen_ids\":[7],\"rejected_ids\":[9]}",
                "prompt has 70 tokens, which leaves no room in max_length 64; raise max_length, or leave such rows out"
                        + " with on_bad_row skip");
    }

    @Test
    void rowsLongerThanTheModel() throws IOException {
        String row = "{\"prompt_ids\":[1,5],\"chosen_ids\":[7" + ",8".repeat(69) + "],\"rejected_ids\":[9]}";
        assertRowRefused(
                row,
                "prompt with chosen has 2 + 70 tokens, more than max_length 64; raise max_length (up to the model's"
                        + " positions), leave such rows out with on_bad_row skip, or cut them at their end with"
                        + " truncation_mode keep_start");
        Cli cutting = run("--truncation_mode", "keep_start", "--overwrite_output_dir");
        assertThat(cutting.code()).as("%s", cutting.err()).isZero();
        assertThat(cutting.out()).anyMatch(line -> line.matches("pairs +3 rows, 1 cut to max_length"));
    }

    @Test
    void sftRowsLongerThanTheModel() throws IOException {
        Cli.write(data, "{\"ids\":[1,5,6]}\n{\"ids\":[1" + ",8".repeat(64) + "]}\n");
        command = "sft";
        assertRefused(data + " line 2: ids has 65 tokens, more than max_length 64; ");
        Cli cutting = run("--truncation_mode", "keep_start");
        assertThat(cutting.code()).as("%s", cutting.err()).isZero();
        assertThat(cutting.out()).anyMatch(line -> line.matches("rows +2 rows, 1 cut to max_length"));
    }

    @Test
    void malformedJson() throws IOException {
        assertRowRefused("{\"prompt_ids\":[1,", "malformed JSON: ");
    }

    @Test
    void noRows() throws IOException {
        Cli.write(data, "");
        assertRefused(data + " holds no rows");
        Files.delete(data);
        assertRefused(data + " does not exist");
    }

    @Test
    void aTokenizerOfAnotherModel() throws IOException {
        LetterTokenizer.write(model, true);
        edit("tokenizer.json", "\"f\": 7", "\"f\": 37");
        assertRefused(
                "tokenizer.json has token ids up to 37, 38 in all, but the model's vocabulary has 37",
                "use the tokenizer the model was trained with");
    }

    /** Models pad their tables: a smaller tokenizer is no error, but it is no secret either. */
    @Test
    void aTokenizerSmallerThanTheModel() {
        LetterTokenizer.write(model, true);
        Cli cli = run();
        assertThat(cli.code()).as("%s", cli.err()).isZero();
        assertThat(cli.out())
                .anyMatch(
                        line -> line.matches("vocabulary +37 in the model, 10 in the tokenizer: 27 rows are padding"));
    }

    @Test
    void aTokenizerAsLargeAsTheModelIsNoNews() throws IOException {
        LetterTokenizer.write(model, true);
        edit("tokenizer.json", "\"f\": 7", "\"f\": 36");
        Cli cli = run();
        assertThat(cli.code()).as("%s", cli.err()).isZero();
        assertThat(cli.out()).noneMatch(line -> line.startsWith("vocabulary"));
    }

    @Test
    void anOutputDirectoryThatCannotBe() throws IOException {
        Path file = Cli.write(directory.resolve("file"), "");
        for (Path inTheWay : List.of(file.resolve("output"), file.resolve("deeper/output"), file)) {
            output = inTheWay;
            assertRefused(
                    "output_dir " + output + " is not writable (" + file + " is a file, not a directory); choose");
        }
    }

    @Test
    void anOutputDirectoryThatHoldsAModel() {
        assertThat(run().code()).isZero();
        Cli again = run();
        assertThat(again.code()).isEqualTo(1);
        assertThat(again.err()).singleElement().asString().contains("output_dir " + output, "overwrite_output_dir");
        assertThat(run("--overwrite-output-dir").code()).isZero();
    }
}
