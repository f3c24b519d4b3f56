package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.dpo4j.data.LetterTokenizer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * {@code logps} on published models, against a float64 forward pass that others wrote. RealModelTest derives the
 * tolerances.
 */
@Tag("device")
class LogpsTest {
    private static final double TOKEN = 1e-4;
    private static final double SUM = 2e-3;

    @TempDir
    Path directory;

    private static String lines(Iterable<JsonNode> rows, String... keys) {
        return StreamSupport.stream(rows.spliterator(), false)
                .map(row -> List.of(keys).stream()
                        .map(key -> "\"" + key + "\":" + row.get(key))
                        .collect(Collectors.joining(",", "{", "}\n")))
                .collect(Collectors.joining());
    }

    @ParameterizedTest
    @CsvSource({
        "models/TinyStories-656K, models/TinyStories-656K/golden.json",
        "models/stories260K/hf, models/stories260K/golden.json"
    })
    void pairs(String model, String goldenFile) {
        JsonNode golden = Cli.parse(Cli.read(Cli.real(goldenFile))).get("pairs");
        Path data =
                Cli.write(directory.resolve("pairs.jsonl"), lines(golden, "prompt_ids", "chosen_ids", "rejected_ids"));
        Cli logps = logps(model, data, "--per_token");
        assertThat(logps.code()).as("%s", logps.err()).isZero();
        assertThat(logps.out()).hasSize(8);
        for (int i = 0; i < 8; i++) {
            JsonNode line = logps.json().get(i);
            assertThat(line.get("row").intValue()).isEqualTo(i + 1);
            for (String side : List.of("chosen", "rejected")) {
                double sum = golden.get(i).get(side + "_logp").doubleValue();
                int tokens = golden.get(i).get(side + "_ids").size();
                assertThat(line.get(side + "_logps").doubleValue()).isCloseTo(sum, within(SUM));
                assertThat(line.get(side + "_tokens").intValue()).isEqualTo(tokens);
                assertThat(line.get(side + "_token_logps")).hasSize(tokens);
                assertThat(total(line.get(side + "_token_logps"))).isCloseTo(sum, within(SUM));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "models/TinyStories-656K, models/TinyStories-656K/golden.json",
        "models/TinyStories-656K-bf16, models/TinyStories-656K/golden.json",
        "models/stories260K/hf, models/stories260K/golden.json"
    })
    void texts(String model, String goldenFile) {
        JsonNode golden = Cli.parse(Cli.read(Cli.real(goldenFile))).get("texts");
        Path data = Cli.write(directory.resolve("texts.jsonl"), lines(golden, "ids"));
        List<JsonNode> lines = logps(model, data, "--per_token").json();
        assertThat(lines).hasSize(golden.size());
        for (int i = 0; i < golden.size(); i++) {
            JsonNode expected = golden.get(i).get("logprobs");
            JsonNode actual = lines.get(i).get("token_logps");
            assertThat(lines.get(i).get("tokens").intValue()).isEqualTo(expected.size());
            assertThat(lines.get(i).get("logps").doubleValue()).isCloseTo(total(expected), within(SUM));
            assertThat(actual).hasSize(expected.size());
            for (int t = 0; t < expected.size(); t++) {
                assertThat(actual.get(t).doubleValue())
                        .as("token %d", t)
                        .isCloseTo(expected.get(t).doubleValue(), within(TOKEN));
            }
        }
    }

    private static double total(JsonNode numbers) {
        return StreamSupport.stream(numbers.spliterator(), false)
                .mapToDouble(JsonNode::doubleValue)
                .sum();
    }

    /** Rows run together or alone, in one order or the other: a row's numbers are its own, to the bit. */
    @Test
    void aRowDoesNotDependOnItsNeighbours() {
        JsonNode golden =
                Cli.parse(Cli.read(Cli.real("models/stories260K/golden.json"))).get("pairs");
        Path data =
                Cli.write(directory.resolve("pairs.jsonl"), lines(golden, "prompt_ids", "chosen_ids", "rejected_ids"));
        List<String> together =
                logps("models/stories260K/hf", data, "--per_token").out();
        assertThat(logps("models/stories260K/hf", data, "--per_token", "--batch_tokens", "1")
                        .out())
                .isEqualTo(together);
    }

    /**
     * By hand: {@code a} and {@code b} are one token together, so the border stands before {@code a}. Rows of these ids
     * are the same rows.
     */
    @Test
    void ids() throws IOException {
        for (String name : List.of("config.json", "model.safetensors")) {
            Files.copy(Cli.repository("tests/golden/llama-tiny").resolve(name), directory.resolve(name));
        }
        LetterTokenizer.write(directory, true);
        Path texts =
                Cli.write(directory.resolve("texts.jsonl"), "{\"prompt\":\"ca\",\"chosen\":\"bd\",\"rejected\":\"e\"}");
        Cli ofTexts = logps(directory, texts, "--ids");
        assertThat(ofTexts.out())
                .singleElement()
                .asString()
                .endsWith(",\"prompt_ids\":[0,4],\"chosen_ids\":[9,5,1],\"rejected_ids\":[2,6,1]}");
        Path ids = Cli.write(
                directory.resolve("ids.jsonl"), lines(ofTexts.json(), "prompt_ids", "chosen_ids", "rejected_ids"));
        assertThat(logps(directory, ids, "--ids").out()).isEqualTo(ofTexts.out());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"ids\":[1,5,6]} | \"prompt_ids\":[1],\"completion_ids\":[5,6]",
                "{\"prompt_ids\":[1,5],\"completion_ids\":[6,7]} | \"prompt_ids\":[1,5],\"completion_ids\":[6,7]"
            })
    void idsOfSequences(String row, String ids) {
        Path data = Cli.write(directory.resolve("ids.jsonl"), row);
        assertThat(logps("models/stories260K/hf", data, "--ids").out())
                .singleElement()
                .asString()
                .endsWith(",\"tokens\":2," + ids + "}");
    }

    @Test
    void toAFile() {
        Path data = Cli.write(directory.resolve("ids.jsonl"), "{\"ids\":[1,5,6]}\n\n{\"ids\":[1,5,6,7]}\n");
        List<String> printed = logps("models/stories260K/hf", data).out();
        Path file = directory.resolve("logps.jsonl");
        Cli written = logps("models/stories260K/hf", data, "--output", file.toString());
        assertThat(written.out()).isEmpty();
        assertThat(Cli.read(file).lines()).isEqualTo(printed).hasSize(2);
        assertThat(printed.get(1)).startsWith("{\"row\":3,\"logps\":-").endsWith(",\"tokens\":3}");
    }

    @Test
    void whatBecameOfTheRows() {
        Path data = Cli.write(directory.resolve("text.jsonl"), """
            {"prompt":"Once upon a time","chosen":" there was a dog.","rejected":""}
            {"prompt":"Once upon a time","chosen":" there was a dog.","rejected":" dog"}
            """);
        Cli logps = logps(
                "models/stories260K/hf",
                data,
                "--on_bad_row",
                "skip",
                "--max_length",
                "8",
                "--truncation_mode",
                "keep_start");
        assertThat(logps.code()).isZero();
        assertThat(logps.json())
                .singleElement()
                .satisfies(line -> assertThat(line.get("row").intValue()).isEqualTo(2));
        assertThat(logps.err())
                .contains("dpo4j: " + data + ": 1 rows, 1 cut to max_length; skipped 1: empty completion 1");
    }

    @Test
    void rowsLongerThanTheModel() {
        String ids = "1" + ",5".repeat(512);
        Path data = Cli.write(directory.resolve("long.jsonl"), "{\"ids\":[" + ids + "]}\n{\"ids\":[1,5]}\n");
        Path output = directory.resolve("out");
        assertRefused(data, output, data + " line 1: ids has 513 tokens, more than max_length 512;");
        assertRefused(data, output, "max_length is 513 but the model has 512 positions", "--max_length", "513");
        assertThat(tokens(logps("models/stories260K/hf", data, "--on_bad_row", "skip")))
                .containsExactly(1);
        assertThat(tokens(logps("models/stories260K/hf", data, "--truncation_mode", "keep_start")))
                .containsExactly(511, 1);
    }

    private static void assertRefused(Path data, Path output, String message, String... more) {
        List<String> arguments = new ArrayList<>(List.of("--output", output.toString()));
        arguments.addAll(List.of(more));
        Cli refused = logps("models/stories260K/hf", data, arguments.toArray(String[]::new));
        assertThat(refused.code()).isEqualTo(1);
        assertThat(refused.err()).last().asString().startsWith("dpo4j: error: " + message);
        assertThat(output).doesNotExist();
    }

    private static List<Integer> tokens(Cli logps) {
        assertThat(logps.code()).as("%s", logps.err()).isZero();
        return logps.json().stream().map(line -> line.get("tokens").intValue()).toList();
    }

    private static Cli logps(String model, Path data, String... more) {
        return logps(Cli.real(model), data, more);
    }

    private static Cli logps(Path model, Path data, String... more) {
        List<String> arguments = new ArrayList<>(List.of("logps", "--dataset_name", data.toString()));
        arguments.addAll(List.of("--model_name_or_path", model.toString()));
        arguments.addAll(List.of(more));
        return Cli.runOnDevice(arguments.toArray(String[]::new));
    }
}
