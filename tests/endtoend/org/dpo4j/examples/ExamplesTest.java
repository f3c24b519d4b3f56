package org.dpo4j.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.dpo4j.model.TestFiles;
import org.dpo4j.model.TestJvm;
import org.dpo4j.train.TinyRun;
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

    /** Runs a source file on this class path; the output. */
    private static String run(String example, String... arguments) throws IOException, InterruptedException {
        List<String> command =
                TestJvm.command(ROOT.resolve("examples").resolve(example).toString());
        command.addAll(List.of(arguments));
        return TestJvm.run(new ProcessBuilder(command), 0);
    }
}
