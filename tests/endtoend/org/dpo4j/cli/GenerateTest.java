package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.dpo4j.io.JsonFile;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code generate} on published models. */
@Tag("device")
class GenerateTest {
    private static final String TINY_STORIES = "models/TinyStories-656K";
    private static final String STORIES = "models/stories260K";

    @TempDir
    Path directory;

    /** The expected text is what a float64 forward pass and llama2.c's run.c generate after BOS. */
    @Test
    void greedyTextOfStories260K() {
        JsonNode golden =
                TestFiles.json(TestFiles.real(STORIES + "/golden.json")).get("greedy_from_bos");
        assertThat(greedyText(STORIES + "/hf", golden))
                .isEqualTo(golden.get("text").textValue());
    }

    /** The expected text contains BOS and EOS as text; {@code generate} prints neither. */
    @ParameterizedTest
    @ValueSource(strings = {TINY_STORIES, TINY_STORIES + "-bf16"})
    void greedyTextOfTinyStories(String model) {
        JsonNode golden =
                TestFiles.json(TestFiles.real(TINY_STORIES + "/golden.json")).get("greedy_from_bos");
        String expected = golden.get("text").textValue(); // no special token in between
        assertThat(expected).startsWith("<|start_story|>").endsWith(" <|end_story|>");
        assertThat("<|start_story|>" + greedyText(model, golden) + " <|end_story|>")
                .isEqualTo(expected);
    }

    private static String greedyText(String model, JsonNode golden) {
        int tokens = golden.get("ids").size() - 1;
        return String.join(
                "\n",
                generate(model, "--prompt %s --max_new_tokens %s", "", tokens).out());
    }

    @Test
    void jsonHoldsTextAndIds() {
        Cli samples = generate(
                STORIES + "/hf", "--json --prompt %s --max_new_tokens 3 --num_return_sequences 2", "Once upon");
        String line = "{\"row\":1,\"sample\":%d,\"prompt\":\"Once upon\",\"completion\":\" a time,\","
                + "\"prompt_ids\":[1,403,407],\"completion_ids\":[261,378,432]}";
        assertThat(samples.out()).containsExactly(line.formatted(1), line.formatted(2));
    }

    /** A stop string spans tokens, "a time," here. The text ends before it; the ids have its tokens. */
    @Test
    void aTextEndsBeforeAStopString() {
        String options = "--prompt %s --max_new_tokens 20 --stop_strings zebra %s";
        assertThat(generate(STORIES + "/hf", options, "Once upon", "time,").out())
                .containsExactly("Once upon a ");
        Cli json = generate(STORIES + "/hf", options + " --json", "Once upon", "time,");
        assertThat(json.json()).hasSize(1);
        assertThat(json.json().get(0).get("completion").textValue()).isEqualTo(" a ");
        assertThat(json.json().get(0).get("completion_ids").toString()).isEqualTo("[261,378,432]");
        assertThat(generate(STORIES + "/hf", "--prompt %s --stop_token_ids 5,378", "Once upon")
                        .out())
                .containsExactly("Once upon a time");
    }

    /** The defaults of generation_config.json, and options that replace them. */
    @Test
    void generationConfigSetsTheDefaults() throws IOException {
        Path model = Files.createDirectory(directory.resolve("model"));
        for (String file : List.of("config.json", "model.safetensors", "tokenizer.json")) {
            Files.copy(TestFiles.real(STORIES + "/hf").resolve(file), model.resolve(file));
        }
        TestFiles.write(
                model.resolve("generation_config.json"),
                "{\"do_sample\": true, \"temperature\": 4, \"top_p\": 0.95, \"max_new_tokens\": 7, \"x\": 1,"
                        + " \"eos_token_id\": [2]}");
        String line = "generate --model_name_or_path %s --prompt Once --json --min_new_tokens 7";
        Cli sampled = Cli.runOnDevice(line, model).assertSucceeded();
        assertThat(sampled.err())
                .contains(
                        "dpo4j: generation_config.json sets do_sample, so tokens are sampled; --temperature 0 turns it"
                                + " off",
                        "dpo4j: generation_config.json: keys not used: x");
        JsonNode ids = sampled.json().get(0).get("completion_ids");
        assertThat(ids).hasSize(7);
        assertThat(Cli.runOnDevice(line + " --temperature 4 --top_k 50 --top_p 0.95 --max_new_tokens 7", model)
                        .json()
                        .get(0)
                        .get("completion_ids"))
                .isEqualTo(ids);
        assertThat(Cli.runOnDevice(line + " --temperature 0", model)
                        .json()
                        .get(0)
                        .get("completion_ids"))
                .isNotEqualTo(ids);
        TestFiles.write(model.resolve("generation_config.json"), "{\"num_beams\": 4}");
        Cli.runOnDevice(line, model)
                .assertThatRunEndedWith()
                .isEqualTo("dpo4j: error: " + model.resolve("generation_config.json")
                        + ": num_beams is 4, which is not supported; remove the key");
        TestFiles.write(model.resolve("generation_config.json"), "{\"max_length\": 6, \"top_k\": 3}");
        assertThat(Cli.runOnDevice("generate --model_name_or_path %s --prompt %s --json", model, "Once upon")
                        .assertSucceeded()
                        .json()
                        .get(0)
                        .get("completion_ids"))
                .as("6 tokens, 3 of them the prompt's")
                .hasSize(3);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
        "do_sample": true, "temperature": -1 | temperature is -1; it must be 0, or from 1e-30 to 1e6 | temperature 1
        "do_sample": true, "top_k": -5       | top_k is -5; it must be a whole number from 0 to 1,000,000,000 | top_k 1
        "do_sample": true, "top_p": 2        | top_p is 2; it must be in [0, 1] | top_p 1
        "do_sample": true, "min_p": -0.5     | min_p is -0.5; it must be in [0, 1] | min_p 0
        "repetition_penalty": 0              | repetition_penalty is 0; it must be from 1e-6 to 1e6 | repetition_penalty 1
        "max_new_tokens": -1                 | max_new_tokens is -1; it must be a whole number from 1 to 1,000,000,000 | max_new_tokens 1
        "min_new_tokens": -1                 | min_new_tokens is -1; it must be a whole number from 0 to 1,000,000,000 | min_new_tokens 0
        """)
    void aDefaultOutsideItsRangeIsNamedWithItsFile(String keys, String reason, String option) throws IOException {
        Path model = Files.createDirectory(directory.resolve("model"));
        for (String file : List.of("config.json", "model.safetensors", "tokenizer.json")) {
            Files.copy(TestFiles.real(STORIES + "/hf").resolve(file), model.resolve(file));
        }
        Path file = TestFiles.write(model.resolve("generation_config.json"), "{" + keys + "}");
        String line = "generate --model_name_or_path %s --prompt Once";
        Cli.runOnDevice(line, model)
                .assertThatRunEndedWith()
                .isEqualTo(
                        "dpo4j: error: " + file + ": " + reason + "; mend the file, or give --" + option.split(" ")[0]);
        String shortRun = option.startsWith("max_new") ? "" : " --max_new_tokens 1";
        Cli.runOnDevice(line + shortRun + " --" + option, model).assertSucceeded();
    }

    @Test
    void optionsWithoutEffectAreRefused() {
        Cli.runOnDevice("generate --model_name_or_path %s --prompt a --json --top_k 3 --min_p 0.1", Cli.MODEL)
                .assertThatRunEndedWith()
                .startsWith("dpo4j: error: top_k, min_p has no effect: without sampling");
    }

    /** A sample depends on its prompt, the seed and the number of the prompt, not on other samples. */
    @Test
    void samplesRepeat() {
        Path prompts = TestFiles.write(
                directory.resolve("prompts.jsonl"), "{\"prompt\":\"Once\"}\n{\"prompt\":\"Lily\",\"chosen\":\"x\"}\n");
        List<String> both = sample(7, "--prompts %s", prompts);
        assertThat(both).hasSize(2);
        assertThat(sample(7, "--prompts %s", prompts)).isEqualTo(both);
        assertThat(sample(7, "--prompt Once")).containsExactly(both.get(0));
        assertThat(sample(8, "--prompts %s", prompts)).hasSize(2).isNotEqualTo(both);
    }

    private static List<String> sample(int seed, String prompts, Object... values) {
        String options = " --temperature 1 --max_new_tokens 12 --json --seed " + seed;
        return generate(STORIES + "/hf", prompts + options, values).out();
    }

    @Test
    void idsNeedNoTokenizer() {
        Path prompts =
                TestFiles.write(directory.resolve("prompts.json"), "[{\"prompt_ids\":[1,5]}, {\"prompt_ids\":[1,6]}]");
        String line = "generate --model_name_or_path %s --prompts %s --max_new_tokens 2";
        List<JsonNode> lines =
                Cli.runOnDevice(line + " --json", Cli.MODEL, prompts).json();
        assertThat(lines).hasSize(2);
        assertThat(lines.get(1).get("row").intValue()).isEqualTo(2);
        assertThat(lines.get(1).get("prompt_ids").toString()).isEqualTo("[1,6]");
        assertThat(lines.get(1).has("completion")).isFalse();
        assertThat(Cli.runOnDevice(line, Cli.MODEL, prompts).err())
                .last()
                .isEqualTo("dpo4j: error: " + Cli.MODEL
                        + " has no tokenizer.json to write text with; add it, or give --json");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        tokenizer.model       | tokenizer.model           | and the package sentencepiece
        vocab.json,merges.txt | vocab.json and merges.txt | ''
        """)
    void filesOfAnOlderTokenizerAreNamed(String files, String named, String needed) {
        Path model = TestFiles.copyModel("llama-tiny", directory.resolve("model"));
        for (String file : files.split(",")) {
            TestFiles.write(model.resolve(file), "");
        }
        String remedy =
                "make it from " + named + " with AutoTokenizer.from_pretrained and save_pretrained of transformers"
                        + (needed.isEmpty() ? "" : " " + needed);
        Cli.runOnDevice("generate --model_name_or_path %s --prompt a", model)
                .assertThatRunEndedWith()
                .isEqualTo("dpo4j: error: " + model + " has no tokenizer.json to write text with; " + remedy
                        + ", or give --json");
        TestFiles.write(model.resolve("chat_template.jinja"), "a");
        Cli.runOnDevice("chat --model_name_or_path %s", model)
                .assertThatRunEndedWith()
                .isEqualTo("dpo4j: error: " + model.resolve("tokenizer.json") + " does not exist; " + remedy
                        + ", or give token ids instead of text");
    }

    @Test
    void aRowWithoutAPromptIsNamed() {
        Path model = TestFiles.real(STORIES + "/hf");
        Path prompts =
                TestFiles.write(directory.resolve("prompts.jsonl"), "{\"prompt\":\"Once\"}\n{\"text\":\"Lily\"}\n");
        Cli.runOnDevice("generate --model_name_or_path %s --prompts %s", model, prompts)
                .assertThatRunEndedWith()
                .isEqualTo(
                        "dpo4j: error: " + prompts
                                + " line 2: its keys are [text]; give prompt, messages or prompt_ids, or rename columns with column_map");
    }

    /** transformers warns too. The token 2 of the list still ends a text. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        generation_config.json | [2, 37]     | 37
        generation_config.json | [-1, 2, 99] | -1, 99
        config.json            | -1          | -1
        config.json            | [37, 2]     | 37
        """)
    void anEosOutsideTheVocabularyIsSaid(String name, String ids, String outside) throws IOException {
        Path model = TestFiles.copyModel("llama-tiny", directory.resolve("model"));
        Path file = model.resolve(name);
        ObjectNode json = Files.exists(file) ? JsonFile.read(file) : JsonFile.object();
        json.set("eos_token_id", JsonFile.parse("{\"ids\":" + ids + "}").get("ids"));
        JsonFile.write(file, json);
        Path prompts = TestFiles.write(directory.resolve("prompts.jsonl"), "{\"prompt_ids\":[1,5]}\n");
        assertThat(Cli.runOnDevice("generate --json --model_name_or_path %s --prompts %s", model, prompts)
                        .assertSucceeded()
                        .err())
                .contains("dpo4j: " + file + ": eos_token_id has " + outside
                        + ", but the model's tokens are 0 to 36, so no text ends there; mend the file, or give"
                        + " stop_token_ids to generate or chat");
    }

    /** The last weight is a NaN. The prompt has been written when the first token is chosen. */
    @Test
    void anErrorBehindStreamedTextIsALineOfItsOwn() throws IOException {
        Path model = Files.createDirectory(directory.resolve("model"));
        for (String name : List.of("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")) {
            Files.write(model.resolve(name), Files.readAllBytes(TestFiles.real(STORIES + "/hf/" + name)));
        }
        byte[] weights = Files.readAllBytes(model.resolve("model.safetensors"));
        ByteBuffer.wrap(weights).order(ByteOrder.LITTLE_ENDIAN).putInt(weights.length - 4, 0x7fc00000);
        Files.write(model.resolve("model.safetensors"), weights);
        ByteArrayOutputStream terminal = new ByteArrayOutputStream();
        PrintStream out = System.out;
        PrintStream err = System.err;
        try {
            System.setOut(new PrintStream(terminal, true, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(terminal, true, StandardCharsets.UTF_8));
            Main.run("generate", "--device", "cpu", "--prompt", "Once", "--model_name_or_path", model.toString());
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
        assertThat(terminal.toString(StandardCharsets.UTF_8))
                .contains("Once\ndpo4j: error: prompt 1, token 1 after it");
    }

    @Test
    void aPromptThatIsTooLongIsNamed() {
        Path prompts = TestFiles.write(
                directory.resolve("prompts.jsonl"),
                "{\"prompt_ids\":[1,5]}\n{\"prompt_ids\":[1" + ",5".repeat(63) + "]}\n");
        Cli.runOnDevice("generate --json --model_name_or_path %s --prompts %s", Cli.MODEL, prompts)
                .assertThatRunEndedWith()
                .isEqualTo(
                        "dpo4j: error: " + prompts + ", row 2: the prompt has 64 tokens, but must have 1 to 63 to leave"
                                + " room for a continuation; shorten it");
    }

    private static Cli generate(String model, String more, Object... values) {
        List<Object> all = new ArrayList<>(List.of(TestFiles.real(model)));
        all.addAll(List.of(values));
        return Cli.runOnDevice("generate --model_name_or_path %s " + more, all.toArray())
                .assertSucceeded();
    }
}
