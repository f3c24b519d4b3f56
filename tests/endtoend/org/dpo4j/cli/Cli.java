package org.dpo4j.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Assumptions;

/**
 * What a command did.
 *
 * @param code its exit code
 * @param out lines of standard output
 * @param err lines of standard error
 */
record Cli(int code, List<String> out, List<String> err) {
    private static final ObjectMapper JSON = new ObjectMapper();

    static Cli run(String... arguments) {
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream outBytes = new ByteArrayOutputStream();
        ByteArrayOutputStream errBytes = new ByteArrayOutputStream();
        try {
            System.setOut(new PrintStream(outBytes, true, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(errBytes, true, StandardCharsets.UTF_8));
            int code = Main.run(arguments);
            return new Cli(code, lines(outBytes), lines(errBytes));
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
    }

    /** As {@link #run}, on the device under test, in fp32. */
    static Cli runOnDevice(String... arguments) {
        boolean cpu = System.getProperty("dpo4j.test.devices", "cpu").equals("cpu");
        List<String> all = new ArrayList<>(Arrays.asList(arguments));
        all.addAll(List.of("--device", cpu ? "cpu" : "cuda", "--dtype", "float32"));
        return run(all.toArray(String[]::new));
    }

    private static List<String> lines(ByteArrayOutputStream bytes) {
        return bytes.toString(StandardCharsets.UTF_8).lines().toList();
    }

    /** The lines of standard output as JSON. */
    List<JsonNode> json() {
        return out.stream().map(Cli::parse).toList();
    }

    static JsonNode parse(String json) {
        try {
            return JSON.readTree(json);
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e);
        }
    }

    static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static Path write(Path file, String content) {
        try {
            return Files.writeString(file, content);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A file or directory of the repository. */
    static Path repository(String name) {
        String root = System.getenv("DPO4J_ROOT");
        return Path.of(root == null ? "." : root).resolve(name);
    }

    /** A real file or directory; where it is absent the test is skipped, saying so. */
    static Path real(String name) {
        String data = System.getenv("DPO4J_DATA");
        Path path = (data == null ? repository("../shared/data") : Path.of(data)).resolve(name);
        Assumptions.assumeTrue(
                Files.exists(path),
                () -> "skipped: " + path + " is absent; set DPO4J_DATA to a directory that holds " + name);
        return path;
    }
}
