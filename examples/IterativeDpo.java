///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.dpo4j:dpo4j-trainer:0.1.0-SNAPSHOT

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.cli.Main;

/**
 * Iterative DPO: two rounds of sampling, ranking and training. Each round samples four answers to every prompt from the
 * newest model, ranks them, and trains that model on pairs of the best and the worst answer of each prompt.
 *
 * <pre>
 * java -cp 'java/trainer/target/*:java/trainer/target/lib/*' examples/IterativeDpo.java \
 *     MODEL REFERENCE PROMPTS.jsonl OUTPUT JUDGE [OPTIONS of dpo]
 * </pre>
 *
 * JUDGE is {@code score}, or a command for the shell. {@code score} ranks by implicit rewards: the log-prob under MODEL minus
 * that under REFERENCE (Chen et al. 2024, Bootstrapping Language Models with DPO Implicit Rewards). So MODEL must have been
 * trained by DPO from REFERENCE; the same MODEL judges both rounds. Such rewards favour long answers, so look at the lengths in
 * pairs.jsonl. A command gets one line {"prompt": "...", "completion": "..."} for each answer on its standard input, and
 * must print one number for each, higher for better: a reward model, a test suite, or a call of a judge.
 *
 * OUTPUT/round-1 and OUTPUT/round-2 get samples.jsonl, rows.jsonl, pairs.jsonl and the directory model. The steps are the commands
 * generate, score and dpo, so each can be repeated by hand. A prompt whose answers have equal scores makes no pair.
 */
class IterativeDpo {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int ROUNDS = 2;
    private static final int SAMPLES = 4;

    /** An answer, with token ids and text. */
    private record Answer(JsonNode sample, double score) {}

    public static void main(String[] args) throws IOException, InterruptedException {
        if (args.length < 5) {
            System.err.println("usage: IterativeDpo.java MODEL REFERENCE PROMPTS.jsonl OUTPUT JUDGE [OPTIONS]");
            System.exit(2);
        }
        List<String> options = Arrays.asList(args).subList(5, args.length);
        String model = args[0];
        for (int round = 1; round <= ROUNDS; round++) {
            Path directory = Files.createDirectories(Path.of(args[3], "round-" + round));
            List<JsonNode> samples = sample(model, args[2], directory.resolve("samples.jsonl"), round);
            double[] scores = args[4].equals("score")
                    ? score(samples, args[0], args[1], directory)
                    : judge(samples, args[4], directory);
            List<ObjectNode> pairs = pairs(samples, scores);
            write(directory.resolve("pairs.jsonl"), pairs);
            System.out.println("round " + round + ": " + samples.size() + " answers, " + pairs.size() + " pairs");
            if (pairs.isEmpty()) {
                System.err.println("no prompt has two answers of different scores; give more prompts, or another judge");
                System.exit(1);
            }
            String trained = directory.resolve("model").toString();
            List<String> words = new ArrayList<>(List.of("dpo", "--model_name_or_path", model, "--output_dir", trained));
            words.addAll(List.of("--dataset_name", directory.resolve("pairs.jsonl").toString(), "--num_train_epochs", "1"));
            words.addAll(options);
            run(words);
            model = trained;
        }
        System.out.println("trained model: " + model);
    }

    private static List<JsonNode> sample(String model, String prompts, Path file, int seed) throws IOException {
        PrintStream standard = System.out;
        try (PrintStream out = new PrintStream(Files.newOutputStream(file), false, StandardCharsets.UTF_8)) {
            System.setOut(out); // generate prints to standard output
            run(List.of(
                    "generate", "--model_name_or_path", model, "--prompts", prompts, "--json", "--temperature", "1",
                    "--num_return_sequences", Integer.toString(SAMPLES), "--seed", Integer.toString(1_000_000 * seed)));
        } finally {
            System.setOut(standard);
        }
        return read(file);
    }

    /** Implicit rewards: the log-prob under the model minus that under the reference. */
    private static double[] score(List<JsonNode> samples, String model, String reference, Path directory)
            throws IOException {
        List<ObjectNode> rows = new ArrayList<>();
        for (JsonNode sample : samples) {
            ObjectNode row = JSON.createObjectNode();
            row.set("prompt_ids", sample.get("prompt_ids"));
            row.set("completion_ids", sample.get("completion_ids"));
            rows.add(row);
        }
        write(directory.resolve("rows.jsonl"), rows);
        Path rewards = directory.resolve("rewards.jsonl");
        run(List.of(
                "score", "--model_name_or_path", model, "--ref_model_name_or_path", reference, "--dataset_name",
                directory.resolve("rows.jsonl").toString(), "--beta", "1", "--output", rewards.toString()));
        return read(rewards).stream().mapToDouble(line -> line.get("rewards").doubleValue()).toArray();
    }

    /** The numbers that a command prints, one for each answer. */
    private static double[] judge(List<JsonNode> samples, String command, Path directory)
            throws IOException, InterruptedException {
        Path rows = directory.resolve("rows.jsonl");
        List<ObjectNode> texts = new ArrayList<>();
        for (JsonNode sample : samples) {
            ObjectNode text = JSON.createObjectNode();
            text.set("prompt", sample.get("prompt"));
            text.set("completion", sample.get("completion"));
            texts.add(text);
        }
        write(rows, texts);
        Process process = new ProcessBuilder("sh", "-c", command)
                .redirectInput(rows.toFile())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        List<String> lines = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).lines().toList();
        if (process.waitFor() != 0 || lines.size() != samples.size()) {
            System.err.println("the judge printed " + lines.size() + " lines for " + samples.size()
                    + " answers and exited with " + process.exitValue() + "; it must print one number for each");
            System.exit(1);
        }
        return lines.stream().mapToDouble(Double::parseDouble).toArray();
    }

    /** The best and the worst answer of each prompt. Of equal scores, the first sample counts. */
    private static List<ObjectNode> pairs(List<JsonNode> samples, double[] scores) {
        Map<Integer, List<Answer>> prompts = new LinkedHashMap<>();
        for (int i = 0; i < scores.length; i++) {
            prompts.computeIfAbsent(samples.get(i).get("row").intValue(), row -> new ArrayList<>())
                    .add(new Answer(samples.get(i), scores[i]));
        }
        List<ObjectNode> pairs = new ArrayList<>();
        for (List<Answer> answers : prompts.values()) {
            Answer best = answers.get(0);
            Answer worst = answers.get(0);
            for (Answer answer : answers) {
                best = answer.score > best.score ? answer : best;
                worst = answer.score < worst.score ? answer : worst;
            }
            if (best.score > worst.score) {
                ObjectNode pair = JSON.createObjectNode();
                pair.set("prompt_ids", best.sample.get("prompt_ids"));
                pair.set("chosen_ids", best.sample.get("completion_ids"));
                pair.set("rejected_ids", worst.sample.get("completion_ids"));
                pairs.add(pair);
            }
        }
        return pairs;
    }

    /** Runs a command of dpo4j; its error, which it prints, ends the recipe. */
    private static void run(List<String> words) {
        int code = Main.run(words.toArray(String[]::new));
        if (code != 0) {
            System.exit(code);
        }
    }

    private static List<JsonNode> read(Path file) throws IOException {
        List<JsonNode> lines = new ArrayList<>();
        for (String line : Files.readAllLines(file)) {
            lines.add(JSON.readTree(line));
        }
        return lines;
    }

    private static void write(Path file, List<ObjectNode> lines) throws IOException {
        Files.write(file, lines.stream().map(ObjectNode::toString).toList());
    }
}
