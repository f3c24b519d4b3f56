package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code sft} and {@code dpo} as typed, on the device under test. */
class TrainCommandsTest {
    @TempDir
    private Path directory;

    private final String model = Cli.repository("tests/golden/llama-tiny").toString();

    @BeforeEach
    void writeRows() {
        Cli.write(directory.resolve("pairs.jsonl"), """
            {"prompt_ids": [3, 4], "chosen_ids": [5, 6, 7], "rejected_ids": [8, 9]}
            {"prompt_ids": [4], "chosen_ids": [10, 11], "rejected_ids": [12, 13, 14, 15]}
            """);
        Cli.write(directory.resolve("texts.jsonl"), "{\"ids\": [3, 4, 5, 6, 7, 2]}\n");
    }

    @Test
    @Tag("device")
    void sftThenDpoThenLogps() {
        Cli sft = train("sft", model, "texts.jsonl", "sft", "--max_steps", "2");
        assertThat(sft.code()).as("%s", sft.err()).isZero();
        Cli dpo = train("dpo", path("sft"), "pairs.jsonl", "dpo", "--max_steps", "4", "--beta", "0.5");
        assertThat(dpo.code()).as("%s", dpo.err()).isZero();
        assertThat(dpo.out()).anyMatch(line -> line.startsWith("step 1  loss 0.6931"));
        double before = margin(path("sft"));
        assertThat(margin(path("dpo"))).isGreaterThan(before + 0.1);
    }

    @Test
    void aConfigFileHoldsTheOptionsAndTheCommandLineWins() {
        Path config = Cli.write(directory.resolve("dpo.yaml"), """
            model_name_or_path: %s
            dataset_name: %s
            output_dir: %s
            learning_rate: 1.0e-3
            lr_scheduler_type: constant
            max_steps: 5
            logging_steps: 1
            device: cpu
            """.formatted(model, path("pairs.jsonl"), path("out")));
        Cli run = Cli.run("dpo", "--config", config.toString(), "--max_steps", "2");
        assertThat(run.code()).as("%s", run.err()).isZero();
        List<String> lines =
                Cli.read(directory.resolve("out/metrics.jsonl")).lines().toList();
        assertThat(lines).hasSize(2);
        assertThat(Cli.parse(lines.get(1)).get("learning_rate").doubleValue()).isEqualTo(1e-3);
    }

    @Test
    void whatIsMissingOrNotDoneYetIsNamed() {
        assertThat(Cli.run("dpo", "--device", "cpu").err()).anyMatch(line -> line.contains("model_name_or_path"));
        refused("hinge_v2", "--loss_type", "hinge_v2");
        refused("polynomial", "--lr_scheduler_type", "polynomial");
        assertThat(Cli.run("dpo", "--dtype", "float16").err()).anyMatch(line -> line.contains("float16"));
        refused("beta is 0", "--beta", "0");
        refused("truncation_mode keep_end", "--truncation_mode", "keep_end");
    }

    private void refused(String word, String... options) {
        Cli run = train("dpo", model, "pairs.jsonl", "refused", options);
        assertThat(run.code()).isNotZero();
        assertThat(run.err()).hasSize(1).first().asString().contains(word);
        assertThat(directory.resolve("refused/model.safetensors")).doesNotExist();
    }

    private Cli train(String command, String from, String data, String output, String... options) {
        String[] all = {
            command,
            "--model_name_or_path",
            from,
            "--dataset_name",
            path(data),
            "--output_dir",
            path(output),
            "--learning_rate",
            "1e-2",
            "--logging_steps",
            "1"
        };
        String[] arguments = Arrays.copyOf(all, all.length + options.length);
        System.arraycopy(options, 0, arguments, all.length, options.length);
        return Cli.runOnDevice(arguments);
    }

    /** Chosen minus rejected log-prob of the first pair. */
    private double margin(String from) {
        Cli run = Cli.runOnDevice("logps", "--model_name_or_path", from, "--dataset_name", path("pairs.jsonl"));
        assertThat(run.code()).as("%s", run.err()).isZero();
        JsonNode row = run.json().get(0);
        return row.get("chosen_logps").doubleValue() - row.get("rejected_logps").doubleValue();
    }

    private String path(String name) {
        return directory.resolve(name).toString();
    }
}
