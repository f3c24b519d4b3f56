package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * {@code score}, against transformers in float64 (tests/golden/rewards.py). Tolerances: those of {@link LogpsTest} for a
 * token are 1e-4, for a sum of at most 8 tokens 1e-4 sqrt(8) = 3e-4; a reward has two of them, times beta = 0.3.
 */
@Tag("device")
class ScoreTest {
    private static final double TOKEN = 0.3 * 2 * 1e-4;
    private static final double SUM = 0.3 * 2 * 3e-4;
    private static final String REFERENCE =
            TestFiles.golden("llama-tiny-untied").toString();
    private static final JsonNode GOLDEN = TestFiles.json(TestFiles.golden("rewards.json"));

    @TempDir
    Path directory;

    private Path rows(String... lines) {
        return TestFiles.write(directory.resolve("rows.jsonl"), String.join("\n", lines) + "\n");
    }

    private Path pairs() {
        List<String> lines = new ArrayList<>();
        GOLDEN.get("rows")
                .forEach(row -> lines.add("{\"prompt_ids\":%s,\"chosen_ids\":%s,\"rejected_ids\":%s}"
                        .formatted(row.get("prompt_ids"), row.get("chosen_ids"), row.get("rejected_ids"))));
        return rows(lines.toArray(String[]::new));
    }

    private static Cli score(Path rows, String more) {
        return Cli.runOnDevice(
                "score --model_name_or_path %s --ref_model_name_or_path %s --dataset_name %s " + more,
                Cli.MODEL,
                REFERENCE,
                rows);
    }

    private static double total(JsonNode numbers) {
        double sum = 0;
        for (double each : TestFiles.doubles(numbers)) {
            sum += each;
        }
        return sum;
    }

    @Test
    void pairsHaveTheRewardsOfTransformers() {
        List<JsonNode> lines = score(pairs(), "--beta 0.3 --per_token --output - --batch_tokens 40")
                .assertSucceeded()
                .json();
        assertThat(lines).hasSize(24);
        for (int i = 0; i < lines.size(); i++) {
            JsonNode line = lines.get(i);
            JsonNode expected = GOLDEN.get("rows").get(i);
            double margin = 0;
            for (String side : List.of("chosen", "rejected")) {
                double[] tokens = TestFiles.doubles(line.get(side + "_token_rewards"));
                assertThat(tokens).hasSize(line.get(side + "_tokens").intValue());
                for (int t = 0; t < tokens.length; t++) {
                    assertThat(tokens[t])
                            .isCloseTo(
                                    expected.get(side + "_token_rewards").get(t).doubleValue(), within(TOKEN));
                }
                double reward = total(expected.get(side + "_token_rewards"));
                assertThat(line.get(side + "_rewards").doubleValue()).isCloseTo(reward, within(SUM));
                assertThat(line.get(side + "_logps").doubleValue())
                        .isCloseTo(expected.get(side + "_logps").doubleValue(), within(3e-4));
                assertThat(line.get("ref_" + side + "_logps").doubleValue())
                        .isCloseTo(expected.get("ref_" + side + "_logps").doubleValue(), within(3e-4));
                margin += side.equals("chosen") ? reward : -reward;
            }
            assertThat(line.get("margins").doubleValue()).isCloseTo(margin, within(2 * SUM));
        }
    }

    /** Four digits of the table; the values of transformers are not within rounding of another fourth digit. */
    @Test
    void theTableHasAccuracyAndCalibration() {
        Cli run = score(pairs(), "--beta 0.3 --calibration_bins 5").assertSucceeded();
        run.assertPrints("pairs +24")
                .assertPrints("accuracy +" + fourDigits("accuracy") + "; the chosen answer has the larger reward in "
                        + Math.round(24 * GOLDEN.get("accuracy").doubleValue()) + " of 24 pairs")
                .assertPrints("loss +" + fourDigits("loss") + " mean of .*")
                .assertPrints("calibration error +" + fourDigits("calibration_error") + " expected");
        List<String> bins = run.out().subList(run.out().size() - 5, run.out().size());
        for (int i = 0; i < 5; i++) {
            assertThat(bins.get(i)).endsWith(" " + GOLDEN.get("counts").get(i));
        }
        assertThat(bins.get(4)).contains("above 2.197"); // ln 9
    }

    private static String fourDigits(String name) {
        return String.format("%.4f", GOLDEN.get(name).doubleValue());
    }

    /** Single completions have rewards, but nothing is preferred. */
    @Test
    void completionsHaveRewards() {
        JsonNode pair = GOLDEN.get("rows").get(0);
        Path rows = rows("{\"prompt_ids\":%s,\"completion_ids\":%s}"
                .formatted(pair.get("prompt_ids"), pair.get("rejected_ids")));
        Path output = directory.resolve("rewards.jsonl");
        Cli run = score(rows, "--beta 0.3 --output " + output).assertSucceeded();
        run.assertPrints("completions +1").assertPrints("mean reward +-?[0-9.]+");
        assertThat(String.join("\n", run.out())).doesNotContain("accuracy");
        JsonNode line = TestFiles.json(TestFiles.read(output));
        assertThat(line.get("rewards").doubleValue()).isCloseTo(total(pair.get("rejected_token_rewards")), within(SUM));
        assertThat(line.has("margins")).isFalse();
    }

    /** Without a reference the reward is beta times the log-prob; a model is no better than itself. */
    @Test
    void theReferenceMayBeNoneOrTheModelItself() {
        String words = "score --model_name_or_path %s --ref_model_name_or_path %s --dataset_name %s --output -";
        JsonNode none =
                Cli.runOnDevice(words, Cli.MODEL, "none", pairs()).json().get(0);
        // the printed float, about -28, is within 2^-20 of the sum
        assertThat(none.get("chosen_rewards").doubleValue())
                .isCloseTo(0.1 * none.get("chosen_logps").doubleValue(), within(0.1 * 0x1p-20));
        assertThat(none.has("ref_chosen_logps")).isFalse();
        Cli same = Cli.runOnDevice(words, Cli.MODEL, Cli.MODEL, pairs()).assertSucceeded();
        assertThat(same.json())
                .allSatisfy(
                        line -> assertThat(line.get("margins").doubleValue()).isZero());
        assertThat(String.join("\n", same.err())).contains("0 of 24 pairs, and an equal one in 24", "0.0000 expected");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        --beta nan | beta is NaN; it must be from 1e-30 to 1e6
        --beta 0 | beta is 0; it must be from 1e-30 to 1e6
        --calibration_bins 0 | calibration_bins is 0; it must be a whole number from 1 to 1,000
        --per_token | per_token is true, but no rows are written; give output, or leave it out
        --max_length 65 | max_length is 65 but the model has 64 positions; set max_length to 64 or less
        """)
    void badValuesAreRefused(String words, String message) {
        score(pairs(), words).assertError(message);
    }

    @Test
    void missingAndDifferentFilesAreRefused() {
        Cli.run("score --model_name_or_path %s --dataset_name x", Cli.MODEL)
                .assertUsageError("ref_model_name_or_path is missing; give it");
        Cli.run("score --ref_model_name_or_path none --dataset_name x")
                .assertUsageError("model_name_or_path is missing; give it");
        String odd = TestFiles.golden("llama-odd").toString();
        Cli other = Cli.run(
                "score --model_name_or_path %s --ref_model_name_or_path %s --dataset_name %s", Cli.MODEL, odd, pairs());
        other.assertThatError().contains("ref_model_name_or_path " + odd + " has ", "from which training began");
        assertThat(score(rows(), "").err()).last().asString().contains("rows.jsonl");
        assertThat(Files.exists(directory.resolve("rewards.jsonl"))).isFalse();
    }
}
