package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code sft} and {@code dpo} as typed, on the device under test. */
class TrainCommandsTest {
    @TempDir
    private Path directory;

    @BeforeEach
    void writeRows() {
        TestFiles.write(path("pairs.jsonl"), """
            {"prompt_ids": [3, 4], "chosen_ids": [5, 6, 7], "rejected_ids": [8, 9]}
            {"prompt_ids": [4], "chosen_ids": [10, 11], "rejected_ids": [12, 13, 14, 15]}
            """);
        TestFiles.write(path("texts.jsonl"), "{\"ids\": [3, 4, 5, 6, 7, 2]}\n");
    }

    @Test
    @Tag("device")
    void sftThenDpoThenLogps() {
        train("sft --max_steps 2", Cli.MODEL, "texts.jsonl", "sft").assertSucceeded();
        Cli dpo = train("dpo --max_steps 4 --beta 0.5", path("sft"), "pairs.jsonl", "dpo")
                .assertSucceeded();
        assertThat(dpo.out()).anyMatch(line -> line.startsWith("step 1  loss 0.6931"));
        assertThat(margin(path("dpo"))).isGreaterThan(margin(path("sft")) + 0.1);
    }

    @Test
    void theCommandLineOverridesTheFileOfOptions() {
        Path config = TestFiles.write(path("dpo.yaml"), """
            model_name_or_path: %s
            dataset_name: %s
            output_dir: %s
            learning_rate: 1.0e-3
            lr_scheduler_type: constant
            max_steps: 5
            logging_steps: 1
            device: cpu
            """.formatted(Cli.MODEL, path("pairs.jsonl"), path("out")));
        Cli.run("dpo --config %s --max_steps 2", config).assertSucceeded();
        List<String> lines = TestFiles.read(path("out/metrics.jsonl")).lines().toList();
        assertThat(lines).hasSize(2);
        assertThat(TestFiles.json(lines.get(1)).get("learning_rate").doubleValue())
                .isEqualTo(1e-3);
    }

    private Cli train(String command, Object model, String data, String output) {
        return Cli.runOnDevice(
                command + " --model_name_or_path %s --dataset_name %s --output_dir %s --learning_rate 1e-2"
                        + " --logging_steps 1",
                model,
                path(data),
                path(output));
    }

    /** Chosen minus rejected log-prob of the first pair. */
    private double margin(Path model) {
        JsonNode row = Cli.runOnDevice("logps --model_name_or_path %s --dataset_name %s", model, path("pairs.jsonl"))
                .assertSucceeded()
                .json()
                .get(0);
        return row.get("chosen_logps").doubleValue() - row.get("rejected_logps").doubleValue();
    }

    private Path path(String name) {
        return directory.resolve(name);
    }
}
