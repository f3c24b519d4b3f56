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
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files that a user names on the command line: pipes, links, standard input; and what is said of what they hold. */
@Timeout(300)
class NamedFilesTest {
    private static final String PAIR = "{\"prompt_ids\":[1,5,%d],\"chosen_ids\":[7,8,2],\"rejected_ids\":[9,2]}\n";

    @TempDir
    Path directory;

    private Path model;

    @BeforeEach
    void copyModel() throws IOException {
        model = Files.createDirectory(directory.resolve("model"));
        for (String name : List.of("config.json", "model.safetensors")) {
            Files.copy(Cli.repository("tests/golden/llama-tiny").resolve(name), model.resolve(name));
        }
    }

    private static String pairs(int rows) {
        return IntStream.range(0, rows)
                .mapToObj(row -> PAIR.formatted(3 + row % 30))
                .reduce("", String::concat);
    }

    private Cli logps(String data, String... more) {
        return run("logps", Stream.concat(Stream.of("--dataset_name", data), Arrays.stream(more)));
    }

    private Cli run(String command, Stream<String> more) {
        List<String> arguments = new ArrayList<>(List.of(command, "--device", "cpu"));
        arguments.addAll(List.of("--model_name_or_path", model.toString()));
        more.forEach(arguments::add);
        return Cli.run(arguments.toArray(String[]::new));
    }

    private static Cli done(Cli cli) {
        assertThat(cli.code()).as("%s", cli.err()).isZero();
        return cli;
    }

    private static String refused(Cli cli) {
        assertThat(cli.code()).as("%s", cli.out()).isEqualTo(1);
        return cli.err().get(cli.err().size() - 1);
    }

    /** mkfifo(3), which is what a shell's pipes and its <(...) are. */
    private Path pipe(String name) throws Exception {
        Path pipe = directory.resolve(name);
        assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor())
                .isZero();
        return pipe;
    }

    private static Process shell(String command, Path... paths) throws IOException {
        List<String> words = new ArrayList<>(List.of("sh", "-c", command, "sh"));
        Arrays.stream(paths).map(Path::toString).forEach(words::add);
        return new ProcessBuilder(words).start();
    }

    @Test
    void rowsOfAPipeAreThoseOfTheFile() throws Exception {
        Path file = Cli.write(directory.resolve("pairs.jsonl"), pairs(400));
        List<String> expected = done(logps(file.toString())).out();
        assertThat(expected).hasSize(400);
        Path pipe = pipe("pipe");
        shell("cat \"$1\" > \"$2\"", file, pipe);
        assertThat(done(logps(pipe.toString())).out()).isEqualTo(expected);
        shell("gzip -c \"$1\" > \"$2\"", file, pipe);
        assertThat(done(logps(pipe.toString(), "--on_bad_row", "skip")).out()).isEqualTo(expected);
    }

    @Test
    void aHyphenIsStandardInputAndOutput() {
        String rows = pairs(3);
        InputStream before = System.in;
        for (String name : List.of("-", "/dev/stdin")) {
            try {
                System.setIn(new ByteArrayInputStream(rows.getBytes(StandardCharsets.UTF_8)));
                Cli cli = done(logps(name, "--output", "-"));
                assertThat(cli.out()).hasSize(3);
                assertThat(cli.err()).contains("dpo4j: standard input: 3 rows");
            } finally {
                System.setIn(before);
            }
        }
        assertThat(Path.of("-")).doesNotExist();
    }

    @Test
    void outputGoesWhereItsNameLeads() throws Exception {
        Path file = Cli.write(directory.resolve("pairs.jsonl"), pairs(2));
        List<String> expected = done(logps(file.toString())).out();
        Path link = Files.createSymbolicLink(directory.resolve("link"), Path.of("target"));
        done(logps(file.toString(), "--output", link.toString()));
        assertThat(Files.isSymbolicLink(link)).isTrue();
        assertThat(Cli.read(directory.resolve("target")).lines()).isEqualTo(expected);
        Path pipe = pipe("pipe");
        Process reader = shell("cat \"$1\"", pipe);
        done(logps(file.toString(), "--output", pipe.toString()));
        assertThat(new String(reader.getInputStream().readAllBytes(), StandardCharsets.UTF_8).lines())
                .isEqualTo(expected);
        assertThat(done(logps(file.toString(), "--output", "/dev/stdout")).out())
                .isEqualTo(expected);
        assertThat(done(logps(file.toString(), "--output", "/dev/null")).out()).isEmpty();
        assertThat(Files.isRegularFile(Path.of("/dev/null"))).isFalse();
        assertThat(refused(logps(file.toString(), "--output", directory.toString())))
                .isEqualTo("dpo4j: error: " + directory + " is a directory; name a file in it");
        assertThat(refused(logps(file.toString(), "--output", "/dev/full"))).contains("/dev/full cannot be written");
    }

    /** A path that ends in / names a directory (POSIX.1-2017, 4.13), which Java's paths forget. */
    @Test
    void aDirectoryIsNoFile() throws IOException {
        String rows = Cli.write(directory.resolve("pairs.jsonl"), pairs(1)).toString();
        String fresh = directory.resolve("fresh") + "/";
        assertNamesADirectory(logps(rows, "--output", fresh), "output", fresh);
        assertNamesADirectory(logps(rows, "--output=" + fresh), "output", fresh);
        assertNamesADirectory(logps(rows + "/"), "dataset_name", rows + "/");
        assertNamesADirectory(train("dpo", Path.of(rows), "--eval_dataset", rows + "//"), "eval_dataset", rows + "//");
        assertNamesADirectory(run("generate", Stream.of("--prompts", rows + "/")), "prompts", rows + "/");
        assertNamesADirectory(run("logps", Stream.of("--config", rows + "/")), "config", rows + "/");
        Path config = Cli.write(directory.resolve("logps.yaml"), "\noutput: " + fresh);
        assertThat(logps(rows, "--config", config.toString()).err())
                .containsExactly("dpo4j: error: " + config + " line 2: output is " + fresh
                        + ", which names a directory (a / ends it); name a file");
        assertThat(directory.resolve("fresh")).doesNotExist();
        Path output = directory.resolve("out");
        done(run("dpo", Stream.of("--dataset_name", rows, "--max_steps", "1", "--output_dir", output + "/")));
        assertThat(output.resolve("model.safetensors")).exists();
    }

    private static void assertNamesADirectory(Cli cli, String option, String value) {
        assertThat(cli.code()).isEqualTo(2);
        assertThat(cli.err())
                .containsExactly("dpo4j: error: " + option + " is " + value
                        + ", which names a directory (a / ends it); name a file");
    }

    /** It would be lost after the work: the rows, which are no rows, are not read. */
    @Test
    void whereOutputGoesIsCheckedFirst() {
        Path file = Cli.write(directory.resolve("pairs.jsonl"), "no rows");
        assertThat(refused(logps(file.toString(), "--output", file + "/under")))
                .isEqualTo("dpo4j: error: " + file + "/under cannot be written: " + file
                        + " is a file, not a directory; choose another path");
    }

    /** The second opening of a pipe would wait for ever. */
    @Test
    void oneFileForTrainingAndEvaluationIsReadOnce() throws Exception {
        Path file = Cli.write(directory.resolve("pairs.jsonl"), pairs(4));
        Path pipe = pipe("pipe");
        Path link = Files.createSymbolicLink(directory.resolve("link"), pipe);
        shell("cat \"$1\" > \"$2\"", file, pipe);
        Cli cli = done(train("dpo", pipe, "--eval_dataset", link.toString(), "--eval_steps", "1"));
        assertThat(cli.out()).anyMatch(line -> line.matches("pairs +4 rows"));
        assertThat(cli.out()).anyMatch(line -> line.matches("eval pairs +4 rows"));
    }

    private Cli train(String command, Path data, String... more) {
        return run(
                command,
                Stream.concat(
                        Stream.of(
                                "--dataset_name",
                                data.toString(),
                                "--max_steps",
                                "1",
                                "--output_dir",
                                directory.resolve("out").toString()),
                        Arrays.stream(more)));
    }

    @Test
    void logpsAndDpoUseTheSameRows() {
        Path file = Cli.write(
                directory.resolve("pairs.jsonl"),
                "{\"prompt_ids\":[1],\"rejected_ids\":[3]}\n{\"ids\":[3,4]}\n" + pairs(3) + "{\"prompt_ids\":null}\n");
        Cli logps = done(logps(file.toString(), "--on_bad_row", "skip"));
        assertThat(logps.json()).extracting(line -> line.get("row").intValue()).containsExactly(3, 4, 5);
        assertThat(logps.err()).contains("dpo4j: " + file + ": 3 rows; skipped 3: unknown format 3");
        assertThat(done(train("dpo", file, "--on_bad_row", "skip")).out())
                .anyMatch(line -> line.matches("pairs +3 rows; skipped 3: unknown format 3"));
    }

    @Test
    void columnsThatAreNotUsedAreNamed() {
        String row = PAIR.formatted(4).replace("}\n", ",\"ref_chosen_logps\":-1.5,\"system\":\"x\",\"margin\":null}\n");
        Path file = Cli.write(directory.resolve("pairs.jsonl"), row + row + PAIR.formatted(5));
        String notUsed = "ref_chosen_logps (2 rows), system (2 rows)";
        assertThat(done(logps(file.toString())).err())
                .contains(
                        "dpo4j: " + file + ": columns used: prompt_ids (3 rows), chosen_ids (3 rows), rejected_ids (3"
                                + " rows)",
                        "dpo4j: " + file + ": columns not used: " + notUsed);
        List<String> out =
                done(train("dpo", file, "--eval_dataset", file.toString())).out();
        assertThat(out).anyMatch(line -> line.matches("columns not used +\\Q" + notUsed + "\\E"));
        assertThat(out).anyMatch(line -> line.matches("eval columns not used +\\Q" + notUsed + "\\E"));
        assertThat(done(run("generate", Stream.of("--json", "--max_new_tokens", "1", "--prompts", file.toString())))
                        .err())
                .contains("dpo4j: " + file + ": columns not used: chosen_ids (3 rows), rejected_ids (3 rows), "
                        + notUsed);
    }

    @Test
    void foreignFilesAreNamed() {
        Path file = directory.resolve("rows.jsonl");
        Cli.write(file, "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
        for (Cli cli : List.of(
                logps(file.toString(), "--on_bad_row", "skip"),
                train("dpo", file),
                train("sft", file),
                run("generate", Stream.of("--json", "--prompts", file.toString())))) {
            assertThat(refused(cli))
                    .isEqualTo("dpo4j: error: " + file + " is a Git LFS pointer, not the file itself; run git lfs pull"
                            + " where it was cloned, or download the file");
        }
    }

    /** Bits of IEEE 754: a quiet NaN, and infinity. */
    @Test
    void aWeightThatIsNotFinite() throws IOException {
        Path file = Cli.write(directory.resolve("pairs.jsonl"), "\n" + pairs(2));
        Path output = directory.resolve("logps.jsonl");
        setFirst("model.layers.1.mlp.down_proj.weight", 0x7fc00000);
        assertThat(refused(logps(file.toString(), "--output", output.toString())))
                .isEqualTo("dpo4j: error: " + file + " row 2: the log-prob of the chosen completion is NaN; the model's"
                        + " weight model.layers.1.mlp.down_proj.weight is NaN at [0, 0]; download the model again, or"
                        + " train it again with a lower learning_rate");
        assertThat(output).doesNotExist();
        setFirst("model.layers.1.mlp.down_proj.weight", 0x7f800000);
        assertThat(refused(logps(file.toString()))).contains(" is Infinity at [0, 0]; ");
        for (String temperature : List.of("0", "1")) {
            assertThat(refused(run(
                            "generate",
                            Stream.of("--json", "--temperature", temperature, "--prompts", file.toString()))))
                    .startsWith(
                            "dpo4j: error: prompt 1, token 1 after it: the logit of token 0 is NaN; the model's weight"
                                    + " model.layers.1.mlp.down_proj.weight is Infinity at [0, 0]; ");
        }
    }

    /**
     * Weights of 3e38 are finite, and products and squares of them are not. All commands say so, whatever overflows: the
     * product of a matrix and a row, or the sum of squares in a norm.
     */
    @ParameterizedTest
    @ValueSource(strings = {"model.layers.1.mlp.down_proj.weight", "model.embed_tokens.weight", "model.norm.weight"})
    void finiteWeightsThatOverflow(String tensor) throws IOException {
        Path file = Cli.write(directory.resolve("pairs.jsonl"), pairs(2));
        Path texts = Cli.write(directory.resolve("texts.jsonl"), "{\"ids\":[1,5,6,7,2]}\n");
        fill(tensor, 3e38f);
        String said = "; all weights of the model are finite, so its activations overflow; use dtype float32, or check"
                + " that config.json belongs to these weights";
        assertThat(refused(logps(file.toString())))
                .isEqualTo("dpo4j: error: " + file + " row 1: the log-prob of the chosen completion is NaN" + said);
        assertThat(refused(run("generate", Stream.of("--json", "--prompts", file.toString()))))
                .isEqualTo("dpo4j: error: prompt 1, token 1 after it: the logit of token 0 is NaN" + said);
        assertThat(refused(train("dpo", file)))
                .isEqualTo("dpo4j: error: row 1: the reference log-prob of the chosen completion is NaN" + said);
        String ofGradient = said.replace("activations overflow", "activations or their gradients overflow");
        assertThat(refused(train("sft", texts)))
                .isEqualTo(
                        "dpo4j: error: the gradient of step 1 is not finite, so it was not applied and training stops"
                                + ofGradient);
        assertThat(refused(train("dpo", file, "--reference_free"))).endsWith(ofGradient);
    }

    private void fill(String tensor, float value) throws IOException {
        try (RandomAccessFile file =
                new RandomAccessFile(model.resolve("model.safetensors").toFile(), "rw")) {
            byte[] header = new byte[(int) Long.reverseBytes(file.readLong())];
            file.readFully(header);
            JsonNode entry =
                    Cli.parse(new String(header, StandardCharsets.UTF_8)).get(tensor);
            long end = entry.get("data_offsets").get(1).longValue();
            file.seek(8 + header.length + entry.get("data_offsets").get(0).longValue());
            while (file.getFilePointer() < 8 + header.length + end) {
                file.writeInt(Integer.reverseBytes(Float.floatToIntBits(value)));
            }
        }
    }

    /** The bytes at the tensor's place by the format: 8 bytes of length, the header, then the data. */
    private void setFirst(String tensor, int bits) throws IOException {
        try (RandomAccessFile file =
                new RandomAccessFile(model.resolve("model.safetensors").toFile(), "rw")) {
            byte[] header = new byte[(int) Long.reverseBytes(file.readLong())];
            file.readFully(header);
            JsonNode entry =
                    Cli.parse(new String(header, StandardCharsets.UTF_8)).get(tensor);
            assertThat(entry.get("dtype").textValue()).isEqualTo("F32");
            file.seek(8 + header.length + entry.get("data_offsets").get(0).longValue());
            file.writeInt(Integer.reverseBytes(bits));
        }
    }
}
