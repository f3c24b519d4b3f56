package org.dpo4j.pytorch;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs the program of {@code examples} as a reader would. */
class ExampleTest {
    @TempDir
    private Path directory;

    @Test
    void embedPyTorchTrains() throws IOException, InterruptedException {
        Path output = directory.resolve("output.txt");
        int status = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Dorg.bytedeco.javacpp.cachedir=" + System.getProperty("org.bytedeco.javacpp.cachedir"),
                        "-cp",
                        System.getProperty("java.class.path"),
                        Path.of(System.getenv("DPO4J_ROOT"), "examples", "EmbedPyTorch.java")
                                .toString())
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start()
                .waitFor();
        List<String> lines = Files.readAllLines(output);
        assertThat(status).as(String.join("\n", lines)).isZero();
        assertThat(lines).hasSize(5);
        assertThat(lines.get(0)).as("a policy that is its own reference").isEqualTo("step 0: loss 0.693147");
        assertThat(lines.stream().map(ExampleTest::loss))
                .as("losses fall")
                .isSortedAccordingTo((a, b) -> Double.compare(b, a))
                .doesNotHaveDuplicates();
    }

    private static double loss(String line) {
        return Double.parseDouble(line.substring(line.lastIndexOf(' ')));
    }
}
