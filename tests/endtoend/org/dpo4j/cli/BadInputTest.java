package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.data.LetterTokenizer;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Bad input of {@code dpo} and {@code sft}: one line says what, where and what to do, and no file is left behind. */
class BadInputTest {
    private static final String GOOD = "{\"prompt_ids\":[1,5,6],\"chosen_ids\":[7,8,2],\"rejected_ids\":[9,2]}\n";

    @TempDir
    Path directory;

    private String command = "dpo";
    private Path model;
    private Path data;
    private Path output;

    @BeforeEach
    void writeGoodFiles() {
        model = TestFiles.copyModel("llama-tiny", directory.resolve("model"));
        data = TestFiles.write(directory.resolve("pairs.jsonl"), GOOD);
        output = directory.resolve("output");
    }

    private Cli run(String more) {
        return Cli.run(
                command + " --device cpu --max_steps 1 --model_name_or_path %s --dataset_name %s --output_dir %s "
                        + more,
                model,
                data,
                output);
    }

    private void assertRefused(String... parts) {
        Cli cli = run("");
        assertThat(cli.code()).isEqualTo(1);
        cli.assertThatError().startsWith("dpo4j: error: ").contains(parts);
        assertThat(cli.out()).isEmpty();
        if (Files.isDirectory(output)) {
            assertThat(output).isEmptyDirectory();
        }
    }

    private void editModel(String file, String before, String after) {
        TestFiles.edit(model.resolve(file), before, after);
    }

    @Test
    void theFilesOfTheseTestsAreGood() {
        run("").assertSucceeded();
        assertThat(output.resolve("model.safetensors")).exists();
        assertThat(output.resolve("metrics.jsonl")).exists();
    }

    /** Without its prompt such a row reads as two transcripts that begin with the same word. */
    @Test
    void columnMapReadsAColumnThatNoRowHas() {
        String ids = "\"prompt_ids\":[1,5],\"chosen_ids\":[7,2],\"rejected_ids\":[9,2]";
        TestFiles.write(data, "{" + ids + ",\"margin\":null}\n{" + ids.replace('9', '8') + "}\n");
        assertThat(run("--column_map weight=margin").code()).isZero(); // a column may be null, or absent in some rows
        output = output.resolve("misspelt");
        Cli cli = run("--column_map weight=magrin");
        assertThat(cli.code()).isEqualTo(1);
        cli.assertThatError()
                .isEqualTo("dpo4j: error: " + data + ": column_map reads weight from magrin, but no row has such a"
                        + " column; there are prompt_ids, chosen_ids, rejected_ids, margin. Correct the name, or leave it"
                        + " out of column_map");
        run("--column_map prompt_ids=ids")
                .assertThatError()
                .startsWith("dpo4j: error: " + data + " line 1: its keys ")
                .endsWith(" (column_map reads prompt_ids from ids, but no row so far has such a column; there are"
                        + " prompt_ids, chosen_ids, rejected_ids, margin)");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "logps --dataset_name",
                "score --ref_model_name_or_path none --dataset_name",
                "generate --json --prompts"
            })
    void everyCommandNamesAColumnThatNoRowHas(String reads) {
        String line = reads + " %s --device cpu --model_name_or_path %s --column_map ";
        Cli.run(line + "weight=magrin", data, model)
                .assertThatRunEndedWith()
                .isEqualTo(
                        "dpo4j: error: " + data + ": column_map reads weight from magrin, but no row has such a column;"
                                + " there are prompt_ids, chosen_ids, rejected_ids. Correct the name, or leave it out of"
                                + " column_map");
        Cli.run(line + "prompt_ids=ids", data, model)
                .assertThatRunEndedWith()
                .startsWith("dpo4j: error: " + data + " line 1: its keys ")
                .endsWith(" (column_map reads prompt_ids from ids, but no row so far has such a column; there are"
                        + " prompt_ids, chosen_ids, rejected_ids)");
    }

    /** The numbers of rows of two sets are the same, so only the file says which row is meant. */
    @Test
    void aRowOfAnEvaluationIsNamedByItsOwnFile() {
        String given = GOOD.replace("}\n", ",\"ref_chosen_logps\":-3,\"ref_rejected_logps\":-4}\n");
        TestFiles.write(data, given + given.replace('9', '8'));
        Path first = TestFiles.write(directory.resolve("first.jsonl"), given);
        Path second = TestFiles.write(directory.resolve("second.jsonl"), given + GOOD.replace('9', '8'));
        run("--eval_strategy steps --eval_steps 1 --eval_dataset a=" + first + ",b=" + second)
                .assertThatRunEndedWith()
                .startsWith("dpo4j: error: " + second + " line 2 has no ref_chosen_logps, but 2 of 3 rows have it; ");
    }

    @Test
    void missingFilesOfTheModel() throws IOException {
        for (String name : List.of("config.json", "model.safetensors")) {
            Path aside = Files.move(model.resolve(name), directory.resolve(name));
            assertRefused(model.toString(), name.equals("config.json") ? "config.json does not exist" : name);
            Files.move(aside, model.resolve(name));
        }
    }

    /** Fails unless the row is refused with its line, and with {@code on_bad_row skip} left out and counted. */
    private void assertRowRefused(String row, String message) {
        output = output.resolve("fresh");
        TestFiles.write(data, GOOD + row + "\n" + GOOD);
        assertRefused(data + " line 2: " + message);
        assertThat(run("--on_bad_row skip").assertSucceeded().out())
                .anyMatch(line -> line.contains("2 rows; skipped 1: "));
    }

    @Test
    void badRows() {
        assertRowRefused(
                "{\"prompt_ids\":[1,37],\"chosen_ids\":[7],\"rejected_ids\":[9]}",
                "prompt has the token id 37 at index 1, outside the model's vocabulary of 37 tokens");
        assertRowRefused("{\"prompt_ids\":[1,", "malformed JSON: ");
    }

    /** As in TRL, rows are cut by default, and a row whose prompt fills max_length does not end the run. */
    @Test
    void rowsLongerThanTheModelAreCutLeftOutOrRefused() {
        TestFiles.write(
                data,
                GOOD + "{\"prompt_ids\":[1,5],\"chosen_ids\":[7" + ",8".repeat(69) + "],\"rejected_ids\":[9]}\n" + GOOD
                        + "{\"prompt_ids\":[1" + ",5".repeat(63) + "],\"chosen_ids\":[7],\"rejected_ids\":[9]}\n");
        run("").assertSucceeded()
                .assertPrints("pairs +3 rows, 1 cut to max_length; skipped 1: prompt fills max_length 1");
        output = output.resolve("drop");
        run("--truncation_mode drop")
                .assertSucceeded()
                .assertPrints("pairs +2 rows; skipped 2: longer than max_length 2");
        output = output.resolve("raise");
        command = "dpo --truncation_mode raise";
        assertRefused(
                data + " line 2: prompt with chosen has 2 + 70 tokens, more than max_length 64; raise max_length (up"
                        + " to the model's positions), leave such rows out with truncation_mode drop, or cut them with"
                        + " truncation_mode keep_start");
    }

    @Test
    void rowsThatAreCutOrLeftOutAreListed() {
        TestFiles.write(
                data,
                GOOD + "{\"prompt_ids\":[1,5],\"chosen_ids\":[7" + ",8".repeat(69) + "],\"rejected_ids\":[9]}\n" + GOOD
                        + "{\"prompt_ids\":[1],\"chosen_ids\":[99],\"rejected_ids\":[9]}\n");
        Cli run = run("--on_bad_row skip --drop_duplicates").assertSucceeded();
        assertThat(run.out())
                .anyMatch(
                        line -> line.matches("pairs +2 rows, 1 cut to max_length; skipped 2: same as an earlier row 1,"
                                + " token id outside the vocabulary 1"))
                .anyMatch(line -> line.matches(" +cut: chosen +1  25.0 %  \\S+ line 2"))
                .anyMatch(line -> line.matches(" +left out: same as an earlier row +1  25.0 %  \\S+ line 3"));
        assertThat(run.err())
                .contains("dpo4j: 25% of the pairs are too long (1 cut, 0 left out, of 4); raise max_length");
        List<String> rejected =
                TestFiles.read(output.resolve("rejected_rows.jsonl")).lines().toList();
        assertThat(rejected).hasSize(2);
        assertThat(rejected.get(1))
                .startsWith("{\"file\":\"" + data + "\",\"row\":4,\"reason\":\"token id outside the vocabulary\",")
                .endsWith(",\"content\":{\"prompt_ids\":[1],\"chosen_ids\":[99],\"rejected_ids\":[9]}}");
    }

    @Test
    void rowsOfSftLongerThanTheModelAreCutOrRefused() {
        TestFiles.write(data, "{\"ids\":[1,5,6]}\n{\"ids\":[1" + ",8".repeat(64) + "]}\n");
        command = "sft --truncation_mode raise";
        assertRefused(data + " line 2: the sequence has 65 tokens, more than max_length 64; ");
        command = "sft";
        run("").assertSucceeded().assertPrints("rows +2 rows, 1 cut to max_length");
    }

    @Test
    void aFileWithoutRows() throws IOException {
        TestFiles.write(data, "");
        assertRefused(data + " holds no rows");
        Files.delete(data);
        assertRefused(data + " does not exist");
    }

    /** Models round the rows of their embedding up, so a smaller tokenizer is no error. The header mentions it. */
    @Test
    void theHeaderMentionsATokenizerSmallerThanTheModel() {
        LetterTokenizer.write(model, true);
        run("").assertSucceeded().assertPrints("vocabulary +37 in the model, 10 in the tokenizer: 27 rows are padding");
    }

    @Test
    void theHeaderDoesNotMentionATokenizerAsLargeAsTheModel() {
        LetterTokenizer.write(model, true);
        editModel("tokenizer.json", "\"f\": 7", "\"f\": 36");
        assertThat(run("").assertSucceeded().out()).noneMatch(line -> line.startsWith("vocabulary"));
    }

    @Test
    void anOutputDirectoryThatCannotBeMade() {
        Path file = TestFiles.write(directory.resolve("file"), "");
        for (Path path : List.of(file.resolve("output"), file.resolve("deeper/output"), file)) {
            output = path;
            assertRefused(
                    "output_dir " + output + " is not writable (" + file + " is a file, not a directory); choose");
        }
    }
}
