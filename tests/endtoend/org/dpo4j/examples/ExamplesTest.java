package org.dpo4j.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.dpo4j.data.LetterTokenizer;
import org.dpo4j.model.TestFiles;
import org.dpo4j.model.TestJvm;
import org.dpo4j.train.DpoOptions;
import org.dpo4j.train.DpoTrainer;
import org.dpo4j.train.KtoOptions;
import org.dpo4j.train.KtoTrainer;
import org.dpo4j.train.TinyRun;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ExamplesTest {
    private static final Path ROOT = TestFiles.repository("");

    @TempDir
    private Path directory;

    @Test
    void embedKernelsPrintsLossAndGradient() throws IOException, InterruptedException {
        assertThat(EmbedKernelsOutput.check(run("EmbedKernels.java", "cpu"))).isEmpty();
    }

    /** Expected: the loss and, by central differences, elements of both gradients, in double precision, from the same rows as in the program. */
    @Test
    void embedHeadPrintsLossAndGradients() throws IOException, InterruptedException {
        double[] hidden = values(4 * 8, 5);
        double[] weight = values(16 * 8, 7);
        Matcher printed = Pattern.compile("3 products with the head\nloss (\\S+)\nd loss / d hidden\\[0, 3] (\\S+)\n"
                        + "d loss / d weight\\[1, 2] (\\S+)\n")
                .matcher(run("EmbedHead.java", "cpu"));
        assertThat(printed.matches()).isTrue();
        // Six digits are printed. The errors of fp32 and of the differences are each a hundredth of the last digit.
        assertThat(Double.parseDouble(printed.group(1))).isCloseTo(headLoss(hidden, weight), within(0.51e-6));
        assertThat(Double.parseDouble(printed.group(2)))
                .isCloseTo(difference(hidden, 3, () -> headLoss(hidden, weight)), within(0.51e-6));
        assertThat(Double.parseDouble(printed.group(3)))
                .isCloseTo(difference(weight, 8 + 2, () -> headLoss(hidden, weight)), within(0.51e-6));
    }

    private static double difference(double[] values, int at, DoubleSupplier loss) {
        double step = 1e-5;
        double kept = values[at];
        values[at] = kept + step;
        double above = loss.getAsDouble();
        values[at] = kept - step;
        double below = loss.getAsDouble();
        values[at] = kept;
        return (above - below) / (2 * step);
    }

    private static double[] values(int count, int period) {
        return IntStream.range(0, count)
                .mapToDouble(i -> (i % period - i % 3) / 4.0)
                .toArray();
    }

    private static double headLoss(double[] hidden, double[] weight) {
        int[] targets = {3, 1, 4, 15};
        double[] logProbs = new double[targets.length];
        for (int row = 0; row < targets.length; row++) {
            double[] logits = new double[16];
            for (int i = 0; i < 16 * 8; i++) {
                logits[i / 8] += weight[i] * hidden[8 * row + i % 8];
            }
            double sum = Arrays.stream(logits).map(Math::exp).sum();
            logProbs[row] = logits[targets[row]] - Math.log(sum);
        }
        double margin = 0.1 * (logProbs[0] + logProbs[1] + 9 - (logProbs[2] + logProbs[3] + 5));
        return Math.log1p(Math.exp(-margin));
    }

    /** The snippet of the README is a part of a program that runs. */
    @Test
    void readmeShowsEmbedKernels() throws IOException {
        String readme = Files.readString(ROOT.resolve("README.md"));
        Matcher snippet = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL).matcher(readme);
        assertThat(snippet.find()).isTrue();
        String shown = snippet.group(1).strip();
        assertThat(shown.lines()).hasSizeGreaterThan(9);
        assertThat(withoutIndents(Files.readString(ROOT.resolve("examples/EmbedKernels.java"))))
                .contains(withoutIndents(shown));
    }

    private static String withoutIndents(String code) {
        return code.replaceAll("\n +", "\n");
    }

    @Test
    void trainDpoTrainsAndSaves() throws IOException, InterruptedException {
        TinyRun.writeModelAndPairs(directory);
        String output = run(
                "TrainDpo.java",
                directory.resolve("model").toString(),
                directory.resolve("pairs.jsonl").toString(),
                directory.resolve("out").toString());
        assertThat(output).contains("reward margin").contains("the model is in " + directory.resolve("out"));
        assertThat(directory.resolve("out/model.safetensors")).exists();
    }

    @Test
    void trainLoraTrainsAndMerges() throws IOException, InterruptedException {
        TinyRun.writeModelAndPairs(directory);
        String output = run(
                "TrainLora.java",
                directory.resolve("model").toString(),
                directory.resolve("pairs.jsonl").toString(),
                directory.resolve("out").toString());
        assertThat(output).contains("adapter and merged model are in " + directory.resolve("out"));
        assertThat(directory.resolve("out/adapter/adapter_model.safetensors")).exists();
        assertThat(directory.resolve("out/merged/model.safetensors")).exists();
    }

    /**
     * The last click on an answer counts, whatever the order of the lines. Ties and thumbs that were taken back are left out.
     * kto and dpo train on what the program writes, with one line of the header for labels and weights.
     */
    @Test
    void feedbackToPairsWritesRowsForKtoAndDpo() throws IOException, InterruptedException {
        Path log = TestFiles.write(
                directory.resolve("feedback.jsonl"),
                String.join(
                        "\n",
                        click("1", "ab", "cd", "\"up\"", 1),
                        click("2", "ab", "dc", "\"down\"", 1),
                        click("3", "ab", "dd", "\"down\"", 9),
                        click("3", "ab", "dd", "\"up\"", 2),
                        click("4", "ef", "aa", "\"up\"", 1),
                        click("5", "ef", "aa", "\"down\"", 1),
                        click("6", "ef", "bb", "\"up\"", 1),
                        click("6", "ef", "bb", "null", 2),
                        "",
                        click("7", "fa", "ce", "\"up\"", 1)));
        Path output = directory.resolve("rows");
        assertThat(run("FeedbackToPairs.java", log.toString(), output.toString()))
                .isEqualTo(
                        "4 answers (2 up, 2 down) of 3 prompts in unpaired.jsonl; 2 pairs in pairs.jsonl; 1 ties left"
                                + " out\n");
        assertThat(Files.readAllLines(output.resolve("unpaired.jsonl")))
                .containsExactlyInAnyOrder(
                        "{\"prompt\":\"ab\",\"completion\":\"cd\",\"label\":true}",
                        "{\"prompt\":\"ab\",\"completion\":\"dc\",\"label\":false}",
                        "{\"prompt\":\"ab\",\"completion\":\"dd\",\"label\":false}",
                        "{\"prompt\":\"fa\",\"completion\":\"ce\",\"label\":true}");
        assertThat(Files.readAllLines(output.resolve("pairs.jsonl")))
                .containsExactly(
                        "{\"prompt\":\"ab\",\"chosen\":\"cd\",\"rejected\":\"dc\",\"weight\":0.5}",
                        "{\"prompt\":\"ab\",\"chosen\":\"cd\",\"rejected\":\"dd\",\"weight\":0.5}");
        TinyRun.writeModelAndPairs(directory);
        LetterTokenizer.write(directory.resolve("model"), true);
        KtoOptions kto = KtoOptions.builder()
                .modelNameOrPath(directory.resolve("model"))
                .datasetName(output.resolve("unpaired.jsonl"))
                .outputDir(directory.resolve("kto"))
                .device("cpu")
                .maxSteps(1)
                .build();
        // half of the mean weight, which is 1
        assertThat(KtoTrainer.train(kto, metrics -> {}).get(0).values()).containsEntry("loss", 0.5);
        DpoOptions dpo = DpoOptions.builder()
                .modelNameOrPath(directory.resolve("model"))
                .datasetName(output.resolve("pairs.jsonl"))
                .outputDir(directory.resolve("dpo"))
                .device("cpu")
                .maxSteps(1)
                .build();
        assertThat(DpoTrainer.train(dpo, metrics -> {}).get(0).values())
                .containsEntry("loss", (double) (float) Math.log(2));
    }

    /** Rows of a table, whose order does not matter either. */
    @Test
    void feedbackToPairsReadsADatabase() throws IOException, InterruptedException, SQLException {
        String url = "jdbc:h2:file:" + directory.resolve("app");
        try (Connection connection = DriverManager.getConnection(url);
                Statement statement = connection.createStatement()) {
            statement.execute("CREATE TABLE feedback (id INT, question VARCHAR, answer VARCHAR, thumb VARCHAR,"
                    + " at TIMESTAMP WITH TIME ZONE)");
            statement.execute(
                    "INSERT INTO feedback VALUES (1, 'ab', 'cd', 'up', '2026-11-29 12:00:01+00'),"
                            + " (2, 'ab', 'dc', 'up', '2026-11-29 13:00:03+01'), (2, 'ab', 'dc', 'down', '2026-11-29 12:00:05+00'),"
                            + " (3, 'ef', 'aa', 'down', '2026-11-29 12:00:01+00'), (3, 'ef', 'aa', NULL, '2026-11-29 12:00:02+00')");
        }
        String query = "SELECT CAST(id AS VARCHAR), question, answer, thumb, at FROM feedback ORDER BY at DESC";
        Path output = directory.resolve("rows");
        assertThat(run("FeedbackToPairs.java", url, output.toString(), query))
                .isEqualTo(
                        "2 answers (1 up, 1 down) of 1 prompts in unpaired.jsonl; 1 pairs in pairs.jsonl; 0 ties left"
                                + " out\n");
        assertThat(Files.readAllLines(output.resolve("pairs.jsonl")))
                .containsExactly("{\"prompt\":\"ab\",\"chosen\":\"cd\",\"rejected\":\"dc\",\"weight\":1.0}");
    }

    private static String click(String conversation, String prompt, String answer, String thumb, int second) {
        return "{\"conversation\":\"%s\",\"prompt\":\"%s\",\"answer\":\"%s\",\"thumb\":%s,\"time\":\"2026-11-29T12:00:0%dZ\"}"
                .formatted(conversation, prompt, answer, thumb, second);
    }

    /** A judge that prints line numbers prefers the last sample of a prompt to the first. */
    @Test
    void iterativeDpoTrainsTwice() throws IOException, InterruptedException {
        TinyRun.writeModelAndPairs(directory);
        Path model = LetterTokenizer.write(directory.resolve("model"), true);
        Path prompts =
                Files.writeString(directory.resolve("prompts.jsonl"), "{\"prompt\":\"ab\"}\n{\"prompt\":\"cd\"}\n");
        Path judged = directory.resolve("judged");
        String[] options = {"--learning_rate", "1e-2", "--device", "cpu"};
        assertThat(iterate(model, prompts, judged, "awk '{ print NR }'", options))
                .contains("round 1: 8 answers, 2 pairs\n", "round 2: 8 answers, 2 pairs\n")
                .endsWith("trained model: " + judged.resolve("round-2/model") + "\n");
        for (int round = 1; round <= 2; round++) {
            List<JsonNode> samples = lines(judged.resolve("round-" + round + "/samples.jsonl"));
            List<JsonNode> pairs = lines(judged.resolve("round-" + round + "/pairs.jsonl"));
            for (int i = 0; i < 2; i++) {
                assertThat(pairs.get(i).get("chosen_ids"))
                        .isEqualTo(samples.get(4 * i + 3).get("completion_ids"));
                assertThat(pairs.get(i).get("rejected_ids"))
                        .isEqualTo(samples.get(4 * i).get("completion_ids"));
            }
        }
    }

    /** A model that was trained judges itself, by its implicit rewards. */
    @Test
    @Tag("long")
    void iterativeDpoRanksByScore() throws IOException, InterruptedException {
        TinyRun.writeModelAndPairs(directory);
        Path model = LetterTokenizer.write(directory.resolve("model"), true);
        DpoOptions dpo = DpoOptions.builder()
                .modelNameOrPath(model)
                .datasetName(directory.resolve("pairs.jsonl"))
                .outputDir(directory.resolve("dpo"))
                .learningRate(1e-2)
                .device("cpu")
                .maxSteps(2)
                .build();
        DpoTrainer.train(dpo, metrics -> {});
        Path prompts = Files.writeString(directory.resolve("prompts.jsonl"), "{\"prompt\":\"ab\"}\n");
        Path output = directory.resolve("scored");
        assertThat(iterate(directory.resolve("dpo"), prompts, output, "score", "--device", "cpu"))
                .contains("round 2: 4 answers, 1 pairs\n");
        List<JsonNode> rewards = lines(output.resolve("round-1/rewards.jsonl"));
        int best = 0;
        for (int i = 1; i < 4; i++) {
            best = reward(rewards, i) > reward(rewards, best) ? i : best;
        }
        assertThat(lines(output.resolve("round-1/pairs.jsonl")).get(0).get("chosen_ids"))
                .isEqualTo(
                        lines(output.resolve("round-1/samples.jsonl")).get(best).get("completion_ids"));
    }

    private static double reward(List<JsonNode> rewards, int row) {
        return rewards.get(row).get("rewards").doubleValue();
    }

    private String iterate(Path model, Path prompts, Path output, String judge, String... options)
            throws IOException, InterruptedException {
        List<String> words = new ArrayList<>(List.of(
                model.toString(), directory.resolve("model").toString(), prompts.toString(), output.toString(), judge));
        words.addAll(List.of(options));
        return run("IterativeDpo.java", words.toArray(String[]::new));
    }

    private static List<JsonNode> lines(Path file) throws IOException {
        return Files.readAllLines(file).stream().map(TestFiles::json).toList();
    }

    /** Runs a source file on this class path; the output. */
    private static String run(String example, String... arguments) throws IOException, InterruptedException {
        List<String> command =
                TestJvm.command(ROOT.resolve("examples").resolve(example).toString());
        command.addAll(List.of(arguments));
        return TestJvm.run(new ProcessBuilder(command), 0);
    }
}
