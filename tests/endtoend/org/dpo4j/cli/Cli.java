package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.assertj.core.api.AbstractStringAssert;
import org.dpo4j.conformance.TestDevices;
import org.dpo4j.model.TestFiles;

/**
 * The result of a command.
 *
 * @param code its exit code
 * @param out lines of standard output
 * @param err lines of standard error
 */
record Cli(int code, List<String> out, List<String> err) {
    /** The tiny model of the repository. */
    static final String MODEL = TestFiles.golden("llama-tiny").toString();

    /** Runs a line of words; each {@code %s} in it stands for the next value, which may contain spaces or be empty. */
    static Cli run(String line, Object... values) {
        return run(words(line, values));
    }

    /** As {@link #run}, on the device under test, in fp32. */
    static Cli runOnDevice(String line, Object... values) {
        List<String> words = words(line, values);
        words.addAll(List.of("--device", TestDevices.option(), "--dtype", "float32"));
        return run(words);
    }

    static Cli run(List<String> words) {
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream outBytes = new ByteArrayOutputStream();
        ByteArrayOutputStream errBytes = new ByteArrayOutputStream();
        try {
            System.setOut(new PrintStream(outBytes, true, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(errBytes, true, StandardCharsets.UTF_8));
            int code = Main.run(words.toArray(String[]::new));
            return new Cli(code, lines(outBytes), lines(errBytes));
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
    }

    /** The words of a line and its values, in a list that can grow. */
    static List<String> words(String line, Object... values) {
        List<String> words = new ArrayList<>();
        int used = 0;
        for (String word : line.strip().split(" +")) {
            int next = used + word.split("%s", -1).length - 1;
            if (!word.isEmpty()) {
                words.add(word.formatted(Arrays.copyOfRange(values, used, next)));
            }
            used = next;
        }
        assertThat(used).as("values of %s", line).isEqualTo(values.length);
        return words;
    }

    /** {@code words} followed by those of a line. */
    static List<String> words(List<String> words, String line, Object... values) {
        List<String> all = new ArrayList<>(words);
        all.addAll(words(line, values));
        return all;
    }

    private static List<String> lines(ByteArrayOutputStream bytes) {
        return bytes.toString(StandardCharsets.UTF_8).lines().toList();
    }

    /** The lines of standard output as JSON. */
    List<JsonNode> json() {
        return out.stream().map(TestFiles::json).toList();
    }

    /** All of standard output as one JSON document. */
    JsonNode document() {
        return TestFiles.json(String.join("\n", out));
    }

    Cli assertSucceeded() {
        assertThat(code).as("%s", err).isZero();
        return this;
    }

    /** Fails unless a line of standard output matches this pattern. */
    Cli assertPrints(String pattern) {
        assertThat(out).anyMatch(line -> line.matches(pattern));
        return this;
    }

    /** The command failed, and printed this error and no other line to standard error. */
    void assertError(String message) {
        assertThat(err).containsExactly("dpo4j: error: " + message);
        assertThat(code).isNotZero();
    }

    /** The words or the file of options were refused, before anything was printed. */
    void assertUsageError(String message) {
        assertError(message);
        assertThat(code).isEqualTo(2);
        assertThat(out).isEmpty();
    }

    /** The only line of standard error. */
    AbstractStringAssert<?> assertThatError() {
        return assertThat(err).singleElement().asString();
    }

    /** The error with which the run ended, after other lines of standard error. */
    AbstractStringAssert<?> assertThatRunEndedWith() {
        assertThat(code).as("%s", out).isEqualTo(1);
        return assertThat(err).last().asString();
    }
}
