package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files that a user names on the command line: pipes, links, standard input. Errors name what they hold. */
@Timeout(300)
class NamedFilesTest {
    private static final String PAIR = "{\"prompt_ids\":[1,5,%d],\"chosen_ids\":[7,8,2],\"rejected_ids\":[9,2]}\n";

    @TempDir
    Path directory;

    private Path model;

    @BeforeEach
    void copyModel() {
        model = TestFiles.copyModel("llama-tiny", directory.resolve("model"));
    }

    private static String pairs(int rows) {
        return IntStream.range(0, rows)
                .mapToObj(row -> PAIR.formatted(3 + row % 30))
                .reduce("", String::concat);
    }

    private Path file(String name, String content) {
        return TestFiles.write(directory.resolve(name), content);
    }

    private Cli run(String command, String more, Object... values) {
        return Cli.run(Cli.words(Cli.words(command + " --device cpu --model_name_or_path %s", model), more, values));
    }

    private Cli logps(Object data) {
        return logps(data, "");
    }

    private Cli logps(Object data, String more, Object... values) {
        return Cli.run(Cli.words(
                Cli.words("logps --device cpu --model_name_or_path %s --dataset_name %s", model, data), more, values));
    }

    private Cli train(String command, Path data, String more, Object... values) {
        return Cli.run(Cli.words(
                Cli.words(
                        command + " --device cpu --model_name_or_path %s --dataset_name %s --output_dir %s"
                                + " --max_steps 1",
                        model,
                        data,
                        directory.resolve("out")),
                more,
                values));
    }

    private static Process shell(String command, Path... paths) throws IOException {
        List<String> words = new ArrayList<>(List.of("sh", "-c", command, "sh"));
        Arrays.stream(paths).map(Path::toString).forEach(words::add);
        return new ProcessBuilder(words).start();
    }

    @Test
    void aPipeHasTheRowsOfItsFile() throws IOException {
        Path file = file("pairs.jsonl", pairs(400));
        List<String> expected = logps(file).assertSucceeded().out();
        assertThat(expected).hasSize(400);
        Path pipe = TestFiles.pipe(directory.resolve("pipe"));
        shell("cat \"$1\" > \"$2\"", file, pipe);
        assertThat(logps(pipe).assertSucceeded().out()).isEqualTo(expected);
        shell("gzip -c \"$1\" > \"$2\"", file, pipe);
        assertThat(logps(pipe, "--on_bad_row skip").assertSucceeded().out()).isEqualTo(expected);
    }

    /** Opening the pipe a second time would wait for ever. The bad row is left out, and the rows behind it keep their lines. */
    @Test
    @Timeout(60)
    void everyCommandReadsAPipeOnce() throws IOException {
        String judged = "{\"prompt_ids\":[1,%d],\"completion_ids\":[4,5],\"label\":%b}\n";
        Path pairs = file("pairs.jsonl", "{}\n" + pairs(3));
        Path answers = file("judged.jsonl", "{}\n" + judged.formatted(3, true) + judged.formatted(4, false));
        Path texts = file("texts.jsonl", "{}\n{\"ids\":[1,2,3]}\n{\"ids\":[1,5,3]}\n");
        Path pipe = TestFiles.pipe(directory.resolve("pipe"));
        shell("cat \"$1\" > \"$2\"", pairs, pipe);
        train("dpo", pipe, "--on_bad_row skip").assertSucceeded().assertPrints("pairs +3 rows; skipped 1: .*");
        shell("cat \"$1\" > \"$2\"", answers, pipe);
        train("kto", pipe, "--on_bad_row skip --per_device_train_batch_size 2 --overwrite_output_dir")
                .assertSucceeded()
                .assertPrints("rows +2 rows; skipped 1: .*");
        shell("cat \"$1\" > \"$2\"", texts, pipe);
        train("sft", pipe, "--on_bad_row skip --overwrite_output_dir")
                .assertSucceeded()
                .assertPrints("rows +2 rows; skipped 1: .*");
        List<String> scores = run(
                        "score", "--on_bad_row skip --ref_model_name_or_path %s --dataset_name %s", model, pairs)
                .assertSucceeded()
                .out();
        shell("cat \"$1\" > \"$2\"", pairs, pipe);
        assertThat(run("score", "--on_bad_row skip --ref_model_name_or_path %s --dataset_name %s", model, pipe)
                        .assertSucceeded()
                        .out())
                .isEqualTo(scores);
        shell("cat \"$1\" > \"$2\"", file("prompts.jsonl", pairs(3)), pipe);
        assertThat(run("generate", "--json --max_new_tokens 1 --prompts %s", pipe)
                        .assertSucceeded()
                        .out())
                .hasSize(3);
    }

    @Test
    void aHyphenIsStandardInputAndOutput() {
        String rows = pairs(3);
        InputStream before = System.in;
        for (String name : List.of("-", "/dev/stdin")) {
            try {
                System.setIn(new ByteArrayInputStream(rows.getBytes(StandardCharsets.UTF_8)));
                Cli cli = logps(name, "--output -").assertSucceeded();
                assertThat(cli.out()).hasSize(3);
                assertThat(cli.err()).contains("dpo4j: standard input: 3 rows");
            } finally {
                System.setIn(before);
            }
        }
        assertThat(Path.of("-")).doesNotExist();
    }

    @Test
    void outputIsWrittenThroughLinksAndIntoPipesAndDevices() throws IOException {
        Path file = file("pairs.jsonl", pairs(2));
        List<String> expected = logps(file).assertSucceeded().out();
        Path link = Files.createSymbolicLink(directory.resolve("link"), Path.of("target"));
        logps(file, "--output %s", link).assertSucceeded();
        assertThat(Files.isSymbolicLink(link)).isTrue();
        assertThat(TestFiles.read(directory.resolve("target")).lines()).isEqualTo(expected);
        Path pipe = TestFiles.pipe(directory.resolve("pipe"));
        Process reader = shell("cat \"$1\"", pipe);
        logps(file, "--output %s", pipe).assertSucceeded();
        assertThat(new String(reader.getInputStream().readAllBytes(), StandardCharsets.UTF_8).lines())
                .isEqualTo(expected);
        assertThat(logps(file, "--output /dev/stdout").assertSucceeded().out()).isEqualTo(expected);
        assertThat(logps(file, "--output /dev/null").assertSucceeded().out()).isEmpty();
        assertThat(Files.isRegularFile(Path.of("/dev/null"))).isFalse();
        logps(file, "--output %s", directory)
                .assertThatRunEndedWith()
                .isEqualTo("dpo4j: error: " + directory + " is a directory; name a file in it");
        logps(file, "--output /dev/full").assertThatRunEndedWith().contains("/dev/full cannot be written");
    }

    /** A path that ends in / names a directory (POSIX.1-2017, 4.13). Java's paths drop that /. */
    @Test
    void aPathThatEndsInASlashIsNoFile() {
        Path rows = file("pairs.jsonl", pairs(1));
        String fresh = directory.resolve("fresh") + "/";
        assertNamesADirectory(logps(rows, "--output %s", fresh), "output", fresh);
        assertNamesADirectory(logps(rows, "--output=%s", fresh), "output", fresh);
        assertNamesADirectory(logps(rows + "/"), "dataset_name", rows + "/");
        assertNamesADirectory(train("dpo", rows, "--eval_dataset %s//", rows), "eval_dataset", rows + "//");
        assertNamesADirectory(run("generate", "--prompts %s/", rows), "prompts", rows + "/");
        assertNamesADirectory(run("logps", "--config %s/", rows), "config", rows + "/");
        Path config = file("logps.yaml", "\noutput: " + fresh);
        assertNamesADirectory(logps(rows, "--config %s", config), config + " line 2: output", fresh);
        assertThat(directory.resolve("fresh")).doesNotExist();
        Path output = directory.resolve("out");
        run("dpo", "--dataset_name %s --max_steps 1 --output_dir %s/", rows, output)
                .assertSucceeded();
        assertThat(output.resolve("model.safetensors")).exists();
    }

    private static void assertNamesADirectory(Cli cli, String option, String value) {
        cli.assertError(option + " is " + value + ", which names a directory (a / ends it); name a file");
        assertThat(cli.code()).isEqualTo(2);
    }

    /** The file of rows holds none, so an error of the output shows that it was checked before the rows were read. */
    @Test
    void theOutputIsCheckedBeforeRowsAreRead() {
        Path file = file("pairs.jsonl", "no rows");
        logps(file, "--output %s/under", file)
                .assertThatRunEndedWith()
                .isEqualTo("dpo4j: error: " + file + "/under cannot be written: " + file
                        + " is a file, not a directory; choose another path");
    }

    /** Opening the pipe a second time would wait for ever. */
    @Test
    void oneFileForTrainingAndEvaluationIsReadOnce() throws IOException {
        Path file = file("pairs.jsonl", pairs(4));
        Path pipe = TestFiles.pipe(directory.resolve("pipe"));
        Path link = Files.createSymbolicLink(directory.resolve("link"), pipe);
        shell("cat \"$1\" > \"$2\"", file, pipe);
        train("dpo", pipe, "--eval_dataset %s --eval_steps 1", link)
                .assertSucceeded()
                .assertPrints("pairs +4 rows")
                .assertPrints("eval pairs +4 rows");
    }

    @Test
    void aFileOfSplitsForTrainingAndEvaluationIsReadOncePerSplit() {
        Path file = splits();
        train("dpo", file, "--eval_dataset %s --eval_steps 1", file)
                .assertSucceeded()
                .assertPrints("pairs +4 rows")
                .assertPrints("eval pairs +2 rows");
    }

    @Test
    void aPipeWithSplitsIsNotReadForBoth() throws IOException {
        Path file = splits();
        Path pipe = TestFiles.pipe(directory.resolve("pipe"));
        shell("cat \"$1\" > \"$2\"", file, pipe);
        train("dpo", pipe, "--eval_dataset %s --eval_steps 1", pipe)
                .assertThatRunEndedWith()
                .isEqualTo(
                        "dpo4j: error: " + pipe + " is an object of splits, but a pipe to train and to evaluate on is"
                                + " read only once; write it to a file and name that");
    }

    private Path splits() {
        return file("splits.json", "\n{\"train\":[" + list(pairs(4)) + "],\"test\":[" + list(pairs(2)) + "]}\n");
    }

    private static String list(String lines) {
        return lines.strip().replace('\n', ',');
    }

    @Test
    void logpsAndDpoUseTheSameRows() {
        Path file = file(
                "pairs.jsonl",
                "{\"prompt_ids\":[1],\"rejected_ids\":[3]}\n{\"ids\":[3,4]}\n" + pairs(3) + "{\"prompt_ids\":null}\n");
        Cli logps = logps(file, "--on_bad_row skip").assertSucceeded();
        assertThat(logps.json()).extracting(line -> line.get("row").intValue()).containsExactly(3, 4, 5);
        assertThat(logps.err()).contains("dpo4j: " + file + ": 3 rows; skipped 3: unknown format 3");
        train("dpo", file, "--on_bad_row skip")
                .assertSucceeded()
                .assertPrints("pairs +3 rows; skipped 3: unknown format 3");
    }

    @Test
    void columnsThatAreNotUsedAreNamed() {
        String row = PAIR.formatted(4).replace("}\n", ",\"score\":-1.5,\"system\":\"x\",\"margin\":null}\n");
        Path file = file("pairs.jsonl", row + row + PAIR.formatted(5));
        String notUsed = "score (2 rows), system (2 rows)";
        assertThat(logps(file).assertSucceeded().err())
                .contains(
                        "dpo4j: " + file + ": columns used: prompt_ids (3 rows), chosen_ids (3 rows), rejected_ids (3"
                                + " rows)",
                        "dpo4j: " + file + ": columns not used: " + notUsed);
        train("dpo", file, "--eval_dataset %s", file)
                .assertSucceeded()
                .assertPrints("columns not used +\\Q" + notUsed + "\\E")
                .assertPrints("eval columns not used +\\Q" + notUsed + "\\E");
        Cli generate = run("generate", "--json --max_new_tokens 1 --prompts %s", file);
        assertThat(generate.assertSucceeded().err())
                .contains("dpo4j: " + file + ": columns not used: chosen_ids (3 rows), rejected_ids (3 rows), "
                        + notUsed);
    }

    @Test
    void aGitLfsPointerIsNamedAsOne() {
        Path file = file("rows.jsonl", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
        for (Cli cli : List.of(
                logps(file, "--on_bad_row skip"),
                train("dpo", file, ""),
                train("sft", file, ""),
                run("generate", "--json --prompts %s", file))) {
            cli.assertThatRunEndedWith()
                    .isEqualTo("dpo4j: error: " + file + " is a Git LFS pointer, not the file itself; run git lfs pull"
                            + " where it was cloned, or download the file");
        }
    }

    /** Bits of IEEE 754: a quiet NaN, and infinity. */
    @Test
    void aWeightThatIsNotFiniteIsNamed() throws IOException {
        String tensor = "model.layers.1.mlp.down_proj.weight";
        Path file = file("pairs.jsonl", "\n" + pairs(2));
        Path output = directory.resolve("logps.jsonl");
        fill(tensor, 1, 0x7fc00000);
        logps(file, "--output %s", output)
                .assertThatRunEndedWith()
                .isEqualTo("dpo4j: error: " + file
                        + " line 2: the log-prob of the chosen completion is NaN; the model's"
                        + " weight " + tensor + " is NaN at [0, 0]; download the model again, or train it again with a"
                        + " lower learning_rate");
        assertThat(output).doesNotExist();
        fill(tensor, 1, 0x7f800000);
        logps(file).assertThatRunEndedWith().contains(" is Infinity at [0, 0]; ");
        for (int temperature = 0; temperature < 2; temperature++) {
            run("generate", "--json --temperature %s --prompts %s", temperature, file)
                    .assertThatRunEndedWith()
                    .startsWith("dpo4j: error: prompt 1, token 1 after it: the logit of token 0 is NaN; the model's"
                            + " weight " + tensor + " is Infinity at [0, 0]; ");
        }
    }

    /**
     * Weights of 3e38 are finite, but products and squares of them are not. Every command says so, whether the product of
     * a matrix and a row overflows or the sum of squares in a norm.
     */
    @ParameterizedTest
    @ValueSource(strings = {"model.layers.1.mlp.down_proj.weight", "model.embed_tokens.weight", "model.norm.weight"})
    void finiteWeightsThatOverflowAreNamed(String tensor) throws IOException {
        Path file = file("pairs.jsonl", pairs(2));
        Path texts = file("texts.jsonl", "{\"ids\":[1,5,6,7,2]}\n");
        fill(tensor, Integer.MAX_VALUE, Float.floatToIntBits(3e38f));
        String remedy = "; all weights of the model are finite, so its activations overflow; use dtype float32, or"
                + " check that config.json belongs to these weights";
        logps(file)
                .assertThatRunEndedWith()
                .isEqualTo("dpo4j: error: " + file + " line 1: the log-prob of the chosen completion is NaN" + remedy);
        run("generate", "--json --prompts %s", file)
                .assertThatRunEndedWith()
                .isEqualTo("dpo4j: error: prompt 1, token 1 after it: the logit of token 0 is NaN" + remedy);
        train("dpo", file, "")
                .assertThatRunEndedWith()
                .isEqualTo("dpo4j: error: " + file + " line 1: the reference log-prob of the chosen completion is NaN"
                        + remedy);
        train("kto", file, "")
                .assertThatRunEndedWith()
                .isEqualTo(
                        "dpo4j: error: " + file + " line 1: the reference log-prob of the completion is NaN" + remedy);
        String remedyOfGradient = remedy.replace("activations overflow", "activations or their gradients overflow");
        train("sft", texts, "")
                .assertThatRunEndedWith()
                .isEqualTo("dpo4j: error: the gradient of step 1 is not finite, so it was not applied and training"
                        + " stops; the cause is " + texts + " line 1" + remedyOfGradient);
        train("dpo", file, "--reference_free").assertThatRunEndedWith().endsWith(remedyOfGradient);
    }

    /** Writes bits over the first elements of a tensor, which begin behind 8 bytes of length and the header. */
    private void fill(String tensor, int count, int bits) throws IOException {
        try (RandomAccessFile file =
                new RandomAccessFile(model.resolve("model.safetensors").toFile(), "rw")) {
            byte[] header = new byte[(int) Long.reverseBytes(file.readLong())];
            file.readFully(header);
            JsonNode entry =
                    TestFiles.json(new String(header, StandardCharsets.UTF_8)).get(tensor);
            assertThat(entry.get("dtype").textValue()).isEqualTo("F32");
            int[] bytes = TestFiles.ints(entry.get("data_offsets"));
            file.seek(8L + header.length + bytes[0]);
            for (int i = 0; i < Math.min(count, (bytes[1] - bytes[0]) / 4); i++) {
                file.writeInt(Integer.reverseBytes(bits));
            }
        }
    }
}
