package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code dpo4j report}, and what {@code report_to} makes a run write. */
class ReportCommandTest {
    @TempDir
    Path directory;

    private Cli train(String output, String options) {
        Path rows = TestFiles.write(
                directory.resolve("rows.jsonl"),
                "{\"prompt_ids\": [3, 4], \"chosen_ids\": [5, 6, 7], \"rejected_ids\": [8, 9]}\n".repeat(4));
        return Cli.run(Cli.words(
                Cli.words(
                        "dpo --model_name_or_path %s --dataset_name %s --eval_dataset %s --output_dir %s --device cpu"
                                + " --per_device_train_batch_size 1 --logging_steps 1",
                        Cli.MODEL, rows, rows, directory.resolve(output)),
                options));
    }

    private static Set<String> names(Path directory) throws Exception {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).collect(Collectors.toSet());
        }
    }

    @Test
    void aRunLeavesItsReportAndTheCommandMakesTheSameOne() throws Exception {
        Path out = directory.resolve("out");
        train("out", "--report_to tensorboard,csv --logging_dir " + directory.resolve("events"))
                .assertSucceeded();
        assertThat(names(out))
                .contains("run.json", "report.html", "README.md", "metrics.csv", "metrics.jsonl")
                .doesNotContain("runs");
        assertThat(names(directory.resolve("events"))).hasSize(1);
        assertThat(TestFiles.json(out.resolve("run.json")).get("status").asText())
                .isEqualTo("completed");
        assertThat(TestFiles.json(out.resolve("run.json")).at("/options/beta").asText())
                .isEqualTo("0.1");
        assertThat(Files.readAllLines(out.resolve("metrics.csv")))
                .hasSize(1 + Files.readAllLines(out.resolve("metrics.jsonl")).size());
        String written = TestFiles.read(out.resolve("report.html"));
        assertThat(written).contains("data-points=\"12\"", "loss, eval"); // 3 epochs of 4 steps
        assertThat(written).contains("id=\"chart-lengths\"", "id=\"chart-memory\"");
        Cli.run("report %s", out).assertSucceeded();
        assertThat(out.resolve("report.html")).hasContent(written);
        Cli compared = Cli.run("report %s %s --output -", out, out).assertSucceeded();
        assertThat(String.join("\n", compared.out())).contains("Comparison of 2 runs", "out (2)");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        wandb | report_to is wandb, which is not supported; set it to tensorboard and run wandb sync
        comet_ml | report_to is comet_ml, which is not supported; set it to tensorboard, csv, mlflow or none
        none,csv | report_to is none,csv; give none or all alone
        """)
    void otherTargetsAreRefused(String target, String message) {
        Cli run = train("out", "--report_to " + target);
        assertThat(run.code()).isNotZero();
        run.assertThatError().contains(message);
    }

    /** Before the model is read, so nothing has been made. */
    @Test
    void aDirectoryOfEventsThatCannotBeMadeIsRefusedAtTheStart() {
        Path file = TestFiles.write(directory.resolve("file"), "");
        Cli run = train("out", "--report_to tensorboard --logging_dir " + file.resolve("events"));
        assertThat(run.code()).isNotZero();
        run.assertThatError()
                .contains("logging_dir " + file.resolve("events") + " cannot be made (", "name another directory");
        assertThat(directory.resolve("out")).doesNotExist();
    }

    @Test
    void aListInAFileIsRead() {
        Path file = TestFiles.write(directory.resolve("run.yaml"), "report_to: [csv, wandb]\n");
        train("out", "--config " + file)
                .assertError(file + " line 1: report_to is wandb, which is not supported; set it to"
                        + " tensorboard and run wandb sync on the directory of the event files; metrics.jsonl and report.html"
                        + " are written in any case");
        TestFiles.write(file, "report_to: []\n");
        train("out", "--config " + file).assertSucceeded();
    }

    @Test
    void aDirectoryThatHoldsNoRunIsNamed() {
        Cli.run("report").assertError("no run; give the output_dir of one or more runs");
        Cli.run("report %s", directory)
                .assertError(directory + " holds no metrics.jsonl; give the output_dir of a run");
    }
}
