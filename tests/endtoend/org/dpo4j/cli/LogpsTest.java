package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.dpo4j.data.LetterTokenizer;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * {@code logps} on published models, against an independent float64 forward pass.
 *
 * <p>Tolerances. A log-prob is the difference of two numbers of magnitude |logit| <= 40. Each has the errors of about
 * 100 fp32 roundings (2^-24 = 6e-8 relative): dot products of up to 384 terms, whose errors grow with the square root
 * of the number of terms, norms and softmaxes. If all errors had the same sign, they would add up to 40 * 100 * 6e-8 =
 * 2.4e-4. Errors of random sign stay below a tenth of that, so the tolerance of 1e-4 is enough. A wrong rotation, scale
 * or epsilon moves log-probs by more than 1e-2. Sums of up to 160 tokens: 1e-4 * sqrt(160) = 1.3e-3, so 2e-3. The bf16
 * model has the same weights as the fp32 one.
 */
@Tag("device")
class LogpsTest {
    private static final double TOKEN = 1e-4;
    private static final double SUM = 2e-3;
    private static final String STORIES = "models/stories260K/hf";

    @TempDir
    Path directory;

    /** The rows as JSONL, each with these keys. */
    private static String lines(Iterable<JsonNode> rows, String... keys) {
        return StreamSupport.stream(rows.spliterator(), false)
                .map(row -> List.of(keys).stream()
                        .map(key -> "\"" + key + "\":" + row.get(key))
                        .collect(Collectors.joining(",", "{", "}\n")))
                .collect(Collectors.joining());
    }

    private Path pairs(JsonNode rows) {
        return file(lines(rows, "prompt_ids", "chosen_ids", "rejected_ids"));
    }

    private Path file(String content) {
        return TestFiles.write(directory.resolve("rows.jsonl"), content);
    }

    private static JsonNode golden(String file) {
        return TestFiles.json(TestFiles.real(file));
    }

    @ParameterizedTest
    @CsvSource({
        "models/TinyStories-656K, models/TinyStories-656K/golden.json",
        "models/TinyStories-656K-bf16, models/TinyStories-656K/golden.json",
        "models/stories260K/hf, models/stories260K/golden.json"
    })
    void pairsHaveTheExpectedLogProbs(String model, String goldenFile) {
        JsonNode golden = golden(goldenFile).get("pairs");
        Cli logps = logps(model, pairs(golden), "--per_token").assertSucceeded();
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
    void textsHaveTheExpectedLogProbs(String model, String goldenFile) {
        JsonNode golden = golden(goldenFile).get("texts");
        List<JsonNode> lines =
                logps(model, file(lines(golden, "ids")), "--per_token").json();
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
        return Arrays.stream(TestFiles.doubles(numbers)).sum();
    }

    /** A row has the same bits in a batch, alone, and in another order. */
    @Test
    void aRowDoesNotDependOnOtherRows() {
        Path data = pairs(golden("models/stories260K/golden.json").get("pairs"));
        List<String> together = logps(STORIES, data, "--per_token").out();
        assertThat(logps(STORIES, data, "--per_token --batch_tokens 1").out()).isEqualTo(together);
    }

    /** By hand: {@code a} and {@code b} are one token together, so the completion begins before {@code a}. */
    @Test
    void idsOfTextsReadAgainAreTheSameRows() {
        Path model = LetterTokenizer.write(TestFiles.copyModel("llama-tiny", directory), true);
        Cli texts = logps(model, file("{\"prompt\":\"ca\",\"chosen\":\"bd\",\"rejected\":\"e\"}"), "--ids");
        assertThat(texts.out())
                .singleElement()
                .asString()
                .endsWith(",\"prompt_ids\":[0,4],\"chosen_ids\":[9,5,1],\"rejected_ids\":[2,6,1]}");
        Path ids = file(lines(texts.json(), "prompt_ids", "chosen_ids", "rejected_ids"));
        assertThat(logps(model, ids, "--ids").out()).isEqualTo(texts.out());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        {"ids":[1,5,6]} | "prompt_ids":[1],"completion_ids":[5,6]
        {"prompt_ids":[1,5],"completion_ids":[6,7]} | "prompt_ids":[1,5],"completion_ids":[6,7]
        """)
    void idsOfSequences(String row, String ids) {
        assertThat(logps(STORIES, file(row), "--ids").out())
                .singleElement()
                .asString()
                .endsWith(",\"tokens\":2," + ids + "}");
    }

    @Test
    void aFileGetsTheLinesThatAreOtherwisePrinted() {
        Path data = file("{\"ids\":[1,5,6]}\n\n{\"ids\":[1,5,6,7]}\n");
        List<String> printed = logps(STORIES, data, "").out();
        Path output = directory.resolve("logps.jsonl");
        assertThat(logps(STORIES, data, "--output %s", output).out()).isEmpty();
        assertThat(TestFiles.read(output).lines()).isEqualTo(printed).hasSize(2);
        assertThat(printed.get(1)).startsWith("{\"row\":3,\"logps\":-").endsWith(",\"tokens\":3}");
    }

    @Test
    void rowsThatAreCutOrLeftOutAreCounted() {
        Path data = file("""
            {"prompt":"Once upon a time","chosen":" there was a dog.","rejected":""}
            {"prompt":"Once upon a time","chosen":" there was a dog.","rejected":" dog"}
            """);
        Cli logps = logps(STORIES, data, "--on_bad_row skip --max_length 8 --truncation_mode keep_start")
                .assertSucceeded();
        assertThat(logps.json()).extracting(line -> line.get("row").intValue()).containsExactly(2);
        assertThat(logps.err())
                .contains("dpo4j: " + data + ": 1 rows, 1 cut to max_length; skipped 1: empty completion 1");
    }

    @Test
    void rowsLongerThanTheModelAreRefusedLeftOutOrCut() {
        Path data = file("{\"ids\":[1" + ",5".repeat(512) + "]}\n{\"ids\":[1,5]}\n");
        assertRefused(data, "", data + " line 1: the sequence has 513 tokens, more than max_length 512;");
        assertRefused(data, "--max_length 513", "max_length is 513 but the model has 512 positions");
        assertThat(tokens(logps(STORIES, data, "--on_bad_row skip"))).containsExactly(1);
        assertThat(tokens(logps(STORIES, data, "--truncation_mode keep_start"))).containsExactly(511, 1);
    }

    private void assertRefused(Path data, String more, String message) {
        Path output = directory.resolve("out");
        logps(STORIES, data, "--output %s " + more, output)
                .assertThatRunEndedWith()
                .startsWith("dpo4j: error: " + message);
        assertThat(output).doesNotExist();
    }

    private static List<Integer> tokens(Cli logps) {
        return logps.assertSucceeded().json().stream()
                .map(line -> line.get("tokens").intValue())
                .toList();
    }

    private static Cli logps(String model, Path data, String more, Object... values) {
        return logps(TestFiles.real(model), data, more, values);
    }

    private static Cli logps(Path model, Path data, String more, Object... values) {
        List<Object> all = new ArrayList<>(List.of(model, data));
        all.addAll(List.of(values));
        return Cli.runOnDevice("logps --model_name_or_path %s --dataset_name %s " + more, all.toArray());
    }
}
