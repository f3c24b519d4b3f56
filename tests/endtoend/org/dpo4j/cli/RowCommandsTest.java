package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Commands on rows with messages and with columns of other names. In {@link ChatModel} each byte is a token, and the
 * markers are {@code <|end|>} 256, {@code <|user|>} 257 and {@code <|assistant|>} 258.
 */
@Tag("device")
class RowCommandsTest {
    private static final String HI = "{\"role\":\"user\",\"content\":\"Hi\"}";
    private static final String YO = "{\"role\":\"assistant\",\"content\":\"Yo\"}";
    private static final String NO = "{\"role\":\"assistant\",\"content\":\"No\"}";

    /** That of {@link ChatModel} with the answers marked. */
    private static final String MARKED =
            "{% for message in messages %}<|{{ message.role }}|>{% if message.role == 'assistant' %}"
                    + "{% generation %}{{ message.content }}<|end|>{% endgeneration %}"
                    + "{% else %}{{ message.content }}<|end|>{% endif %}{% endfor %}"
                    + "{% if add_generation_prompt %}<|assistant|>{% endif %}";

    @TempDir
    Path directory;

    private Path model;

    @BeforeEach
    void writeModel() throws IOException {
        model = ChatModel.write(directory.resolve("model"));
        TestFiles.write(model.resolve("chat_template.jinja"), MARKED);
    }

    private Path file(String name, String content) {
        return TestFiles.write(directory.resolve(name), content);
    }

    /**
     * The tokens of the conversation are user H i end assistant Y o end. All but the first are targets; with
     * assistant_only_loss those of the answer and the end after it are. The loss is the mean of their log-probs, which
     * logps prints, so the two commands differ only in the order of sums: 1e-5 is 20 roundings of 8 in fp32.
     */
    @Test
    void assistantOnlyLossLearnsTheAnswers() {
        Path rows = file("chat.jsonl", "{\"messages\":[" + HI + "," + YO + "]}\n");
        JsonNode logps = Cli.runOnDevice("logps --per_token --model_name_or_path %s --dataset_name %s", model, rows)
                .assertSucceeded()
                .json()
                .get(0);
        double[] tokens = TestFiles.doubles(logps.get("token_logps"));
        assertThat(tokens).hasSize(7);
        double all = loss("all", rows, "", 7);
        double answers = loss("answers", rows, "--assistant_only_loss", 3);
        assertThat(all).isCloseTo(meanLoss(tokens, 0), within(1e-5));
        assertThat(answers).isCloseTo(meanLoss(tokens, 4), within(1e-5));
        assertThat(answers).isNotCloseTo(all, within(1e-3));
    }

    private static double meanLoss(double[] logProbs, int from) {
        return -Arrays.stream(logProbs, from, logProbs.length).average().orElseThrow();
    }

    /** The loss of the first step. */
    private double loss(String output, Path rows, String more, int targets) {
        Path out = directory.resolve(output);
        Cli.runOnDevice(
                        "sft --max_steps 1 --logging_steps 1 --model_name_or_path %s --dataset_name %s --output_dir %s "
                                + more,
                        model,
                        rows,
                        out)
                .assertSucceeded()
                .assertPrints("tokens +8 per epoch, " + targets + " of them targets");
        return metrics(out).get(0).get("loss").doubleValue();
    }

    private static List<JsonNode> metrics(Path output) {
        return TestFiles.read(output.resolve("metrics.jsonl"))
                .lines()
                .map(TestFiles::json)
                .toList();
    }

    /** The column instruction would be a second prompt. */
    @Test
    void aFileOfOptionsRenamesAndDropsColumns() {
        Path plain = file("plain.jsonl", """
            {"prompt": "Hi", "chosen": "Yo", "rejected": "No"}
            {"prompt": "Sky?", "chosen": "Blue.", "rejected": "I see green."}
            """);
        Path named = file(
                "named.jsonl",
                TestFiles.read(plain)
                        .replace("\"prompt\"", "\"instruction\": \"x\", \"question\"")
                        .replace("chosen", "good")
                        .replace("rejected", "bad"));
        String map = "column_map:\n  prompt: question\n  chosen: good\n  rejected: bad\n";
        dpo(plain, "{}", "plain").assertSucceeded();
        dpo(named, map + "  instruction: null\n", "named").assertSucceeded();
        List<JsonNode> expected = metrics(directory.resolve("plain"));
        List<JsonNode> actual = metrics(directory.resolve("named"));
        assertThat(expected).hasSize(2);
        for (String name : List.of("loss", "logps/chosen", "logps/rejected", "rewards/margins", "num_tokens")) {
            assertThat(actual).extracting(line -> line.get(name)).doesNotContainNull();
            assertThat(actual)
                    .extracting(line -> line.get(name))
                    .isEqualTo(expected.stream().map(line -> line.get(name)).toList());
        }
        dpo(named, map, "twice")
                .assertThatRunEndedWith()
                .startsWith("dpo4j: error: " + named + " line 1: it can be read as [prompt, chosen, rejected] or as"
                        + " [instruction, chosen, rejected];");
    }

    private Cli dpo(Path rows, String options, String output) {
        Path config = file(output + ".yaml", options);
        return Cli.runOnDevice(
                "dpo --config %s --max_steps 2 --logging_steps 1 --learning_rate 1e-2 --model_name_or_path %s"
                        + " --dataset_name %s --output_dir %s",
                config, model, rows, directory.resolve(output));
    }

    @Test
    void messagesArePrompts() {
        Path prompts = file(
                "prompts.jsonl", "{\"messages\":[" + HI + "]}\n{\"messages\":[" + HI + "," + YO + "," + HI + "]}\n");
        List<JsonNode> lines = Cli.runOnDevice(
                        "generate --json --max_new_tokens 2 --model_name_or_path %s --prompts %s", model, prompts)
                .assertSucceeded()
                .json();
        assertThat(lines).hasSize(2);
        assertThat(lines.get(0).get("prompt_ids")).hasToString("[257,72,105,256,258]");
        assertThat(lines.get(1).get("prompt_ids")).hasToString("[257,72,105,256,258,89,111,256,257,72,105,256,258]");
        assertThat(lines)
                .allSatisfy(line -> assertThat(line.get("completion_ids")).hasSizeBetween(1, 2));
    }

    /** A row of UltraFeedback. The messages are the prompt and the chosen answer. */
    @Test
    void logpsReadsAPairBesideAWholeConversation() {
        String chosen = "[" + HI + "," + YO + "]";
        String row = "{\"prompt\":\"Hi\",\"prompt_id\":\"5f\",\"chosen\":" + chosen + ",\"rejected\":[" + HI + "," + NO
                + "],\"messages\":" + chosen + ",\"score_chosen\":8.5,\"score_rejected\":3.0}\n";
        Cli logps = Cli.runOnDevice(
                        "logps --ids --model_name_or_path %s --dataset_name %s", model, file("rows.jsonl", row))
                .assertSucceeded();
        assertThat(logps.out())
                .singleElement()
                .asString()
                .endsWith("\"prompt_ids\":[257,72,105,256,258],\"chosen_ids\":[89,111,256],"
                        + "\"rejected_ids\":[78,111,256]}");
    }
}
