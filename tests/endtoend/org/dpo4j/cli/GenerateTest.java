package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code generate} on published models. */
@Tag("device")
class GenerateTest {
    private static final String TINY_STORIES = "models/TinyStories-656K";
    private static final String STORIES = "models/stories260K";

    @TempDir
    Path directory;

    /** The text that their float64 forward pass, and run.c of llama2.c, continue the beginning token with. */
    @Test
    void greedyTextOfStories260K() {
        JsonNode golden =
                Cli.parse(Cli.read(Cli.real(STORIES + "/golden.json"))).get("greedy_from_bos");
        int tokens = golden.get("ids").size() - 1;
        Cli text = generate(STORIES + "/hf", "--prompt", "", "--max_new_tokens", Integer.toString(tokens));
        assertThat(String.join("\n", text.out())).isEqualTo(golden.get("text").textValue());
    }

    /** Theirs spells out the tokens that begin and end it; ours leaves them out. */
    @Test
    void greedyTextOfTinyStories() {
        JsonNode golden =
                Cli.parse(Cli.read(Cli.real(TINY_STORIES + "/golden.json"))).get("greedy_from_bos");
        int tokens = golden.get("ids").size() - 1;
        Cli text = generate(TINY_STORIES, "--prompt", "", "--max_new_tokens", Integer.toString(tokens));
        String expected = golden.get("text").textValue(); // the ids between are all ordinary
        assertThat(expected).startsWith("<|start_story|>").endsWith(" <|end_story|>");
        assertThat("<|start_story|>" + String.join("\n", text.out()) + " <|end_story|>")
                .isEqualTo(expected);
    }

    @Test
    void jsonHoldsTextAndIds() {
        Cli samples = generate(
                STORIES + "/hf",
                "--json",
                "--prompt",
                "Once upon",
                "--max_new_tokens",
                "3",
                "--num_return_sequences",
                "2");
        assertThat(samples.out())
                .containsExactly(
                        "{\"row\":1,\"sample\":1,\"prompt\":\"Once upon\",\"completion\":\" a"
                                + " time,\",\"prompt_ids\":[1,403,407],\"completion_ids\":[261,378,432]}",
                        "{\"row\":1,\"sample\":2,\"prompt\":\"Once upon\",\"completion\":\" a"
                                + " time,\",\"prompt_ids\":[1,403,407],\"completion_ids\":[261,378,432]}");
    }

    /** A sample depends on its prompt, the seed and the prompt's place, not on what else is drawn. */
    @Test
    void samplesRepeat() {
        Path prompts = Cli.write(
                directory.resolve("prompts.jsonl"), "{\"prompt\":\"Once\"}\n{\"prompt\":\"Lily\",\"chosen\":\"x\"}\n");
        String[] sampling = {"--temperature", "1", "--seed", "7", "--max_new_tokens", "12", "--json"};
        List<String> both = generate(STORIES + "/hf", with(sampling, "--prompts", prompts.toString()))
                .out();
        assertThat(both).hasSize(2);
        assertThat(generate(STORIES + "/hf", with(sampling, "--prompts", prompts.toString()))
                        .out())
                .isEqualTo(both);
        assertThat(generate(STORIES + "/hf", with(sampling, "--prompt", "Once")).out())
                .containsExactly(both.get(0));
        String[] other = {"--temperature", "1", "--seed", "8", "--max_new_tokens", "12", "--json"};
        List<String> otherSeed = generate(STORIES + "/hf", with(other, "--prompts", prompts.toString()))
                .out();
        assertThat(otherSeed).hasSize(2).isNotEqualTo(both);
    }

    @Test
    void idsNeedNoTokenizer() {
        Path prompts = Cli.write(directory.resolve("prompts.json"), "[{\"prompt_ids\":[1,5]}, {\"prompt_ids\":[1,6]}]");
        Path model = Cli.repository("tests/golden/llama-tiny");
        String[] arguments = {
            "generate",
            "--model_name_or_path",
            model.toString(),
            "--prompts",
            prompts.toString(),
            "--max_new_tokens",
            "2"
        };
        List<JsonNode> lines = Cli.runOnDevice(with(arguments, "--json")).json();
        assertThat(lines).hasSize(2);
        assertThat(lines.get(1).get("row").intValue()).isEqualTo(2);
        assertThat(lines.get(1).get("prompt_ids").toString()).isEqualTo("[1,6]");
        assertThat(lines.get(1).has("completion")).isFalse();
        assertThat(Cli.runOnDevice(arguments).err())
                .last()
                .isEqualTo(
                        "dpo4j: error: " + model + " has no tokenizer.json to write text with; add it, or give --json");
    }

    @Test
    void aRowWithoutAPromptIsNamed() {
        Path prompts = Cli.write(directory.resolve("prompts.jsonl"), "{\"prompt\":\"Once\"}\n{\"text\":\"Lily\"}\n");
        Cli generated = Cli.runOnDevice(
                "generate",
                "--model_name_or_path",
                Cli.real(STORIES + "/hf").toString(),
                "--prompts",
                prompts.toString());
        assertThat(generated.code()).isEqualTo(1);
        assertThat(generated.err())
                .last()
                .isEqualTo("dpo4j: error: " + prompts + " line 2: prompt is missing; give text");
    }

    private static Cli generate(String model, String... more) {
        List<String> arguments = new ArrayList<>(
                List.of("generate", "--model_name_or_path", Cli.real(model).toString()));
        Collections.addAll(arguments, more);
        Cli generated = Cli.runOnDevice(arguments.toArray(String[]::new));
        assertThat(generated.code()).as("%s", generated.err()).isZero();
        return generated;
    }

    private static String[] with(String[] arguments, String... more) {
        List<String> all = new ArrayList<>(List.of(arguments));
        Collections.addAll(all, more);
        return all.toArray(String[]::new);
    }
}
