package org.dpo4j.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.DoubleSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.Model;
import org.dpo4j.model.family.Llama;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ExamplesTest {
    private static final Path ROOT = Path.of(System.getenv("DPO4J_ROOT"));

    @TempDir
    private Path directory;

    /** The loss and an element of its gradient, in double precision from the logits that the program makes. */
    @Test
    void embedKernels() throws IOException, InterruptedException {
        double chosen = logProb(0, 3) + logProb(1, 1);
        double rejected = logProb(2, 4) + logProb(3, 15);
        double margin = 0.1 * (chosen + 9 - (rejected + 5));
        double loss = Math.log1p(Math.exp(-margin));
        double gradient = -0.1 / (1 + Math.exp(margin)) * (1 - Math.exp(logProb(0, 3)));
        Matcher printed = Pattern.compile("loss (\\S+)\nd loss / d logits\\[0, 3] (\\S+)\n")
                .matcher(run("EmbedKernels.java", "cpu"));
        assertThat(printed.matches()).isTrue();
        // Six digits are printed; fp32's share is a hundredth of the last.
        assertThat(Double.parseDouble(printed.group(1))).isCloseTo(loss, within(0.51e-6));
        assertThat(Double.parseDouble(printed.group(2))).isCloseTo(gradient, within(0.51e-6));
    }

    private static double logProb(int row, int target) {
        double sum = 0;
        for (int j = 0; j < 16; j++) {
            sum += Math.exp(logit(row, j));
        }
        return logit(row, target) - Math.log(sum);
    }

    private static double logit(int row, int column) {
        int i = 16 * row + column;
        return i % 7 - i % 5;
    }

    /** The loss and elements of both gradients, which are central differences, in double precision from the rows that the program makes. */
    @Test
    void embedHead() throws IOException, InterruptedException {
        double[] hidden = values(4 * 8, 5);
        double[] weight = values(16 * 8, 7);
        Matcher printed = Pattern.compile("3 products with the head\nloss (\\S+)\nd loss / d hidden\\[0, 3] (\\S+)\n"
                        + "d loss / d weight\\[1, 2] (\\S+)\n")
                .matcher(run("EmbedHead.java", "cpu"));
        assertThat(printed.matches()).isTrue();
        // Six digits are printed; fp32's share is a hundredth of the last, and so is that of differences.
        assertThat(Double.parseDouble(printed.group(1))).isCloseTo(headLoss(hidden, weight), within(0.51e-6));
        assertThat(Double.parseDouble(printed.group(2)))
                .isCloseTo(difference(hidden, 3, () -> headLoss(hidden, weight)), within(0.51e-6));
        assertThat(Double.parseDouble(printed.group(3)))
                .isCloseTo(difference(weight, 8 + 2, () -> headLoss(hidden, weight)), within(0.51e-6));
    }

    private static double difference(double[] by, int at, DoubleSupplier loss) {
        double step = 1e-5;
        double here = by[at];
        by[at] = here + step;
        double above = loss.getAsDouble();
        by[at] = here - step;
        double below = loss.getAsDouble();
        by[at] = here;
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

    /** What the README shows is a part of a program that runs. */
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
    void trainDpo() throws IOException, InterruptedException {
        try (Device device = Devices.cpu(1);
                Model model = Model.create(Llama.config(37, 16, 24, 2, 2, 1, 64, true), device, DType.F32, 3)) {
            model.save(directory.resolve("model"), DType.F32);
        }
        List<String> rows = new ArrayList<>();
        for (int row = 0; row < 16; row++) {
            Map<String, int[]> ids = Map.of(
                    "prompt_ids", new int[] {3 + row, 4}, "chosen_ids", new int[] {5, 6}, "rejected_ids", new int[] {7
                    });
            rows.add(new ObjectMapper().writeValueAsString(ids));
        }
        Files.write(directory.resolve("pairs.jsonl"), rows);
        String output = run(
                "TrainDpo.java",
                directory.resolve("model").toString(),
                directory.resolve("pairs.jsonl").toString(),
                directory.resolve("out").toString());
        assertThat(output).contains("reward margin").contains("the model is in " + directory.resolve("out"));
        assertThat(directory.resolve("out/model.safetensors")).exists();
    }

    /** Runs a source file on this class path; returns what it printed. */
    private String run(String example, String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Dorg.bytedeco.javacpp.cachedir=" + System.getProperty("org.bytedeco.javacpp.cachedir"),
                "-cp",
                System.getProperty("java.class.path"),
                ROOT.resolve("examples").resolve(example).toString()));
        command.addAll(List.of(arguments));
        Path output = directory.resolve("output.txt");
        int status = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start()
                .waitFor();
        String printed = Files.readString(output, StandardCharsets.UTF_8);
        assertThat(status).as(printed).isZero();
        return printed;
    }
}
