package org.dpo4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.IntStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Assumptions;

/** Files that tests read: made here, or real ones beside the repository. */
final class TestData {
    private static final ObjectMapper JSON = new ObjectMapper();

    private TestData() {}

    /** A real file or directory; where it is absent the test is skipped, saying so. */
    static Path real(String name) {
        String data = System.getenv("DPO4J_DATA");
        String root = System.getenv("DPO4J_ROOT");
        Path path = (data == null ? Path.of(root == null ? "." : root, "../shared/data") : Path.of(data)).resolve(name);
        Assumptions.assumeTrue(
                Files.exists(path),
                () -> "skipped: " + path + " is absent; set DPO4J_DATA to a directory that holds " + name);
        return path;
    }

    static Path write(Path directory, String name, String content) {
        return write(directory, name, content.getBytes(StandardCharsets.UTF_8));
    }

    static Path write(Path directory, String name, byte[] content) {
        try {
            return Files.write(directory.resolve(name), content);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static Path zip(Path directory, String name, String content) {
        Path file = directory.resolve(name);
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
            out.write(content.getBytes(StandardCharsets.UTF_8));
            return file;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static JsonNode json(Path file) {
        try {
            return JSON.readTree(file.toFile());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static int[] ints(JsonNode array) {
        return IntStream.range(0, array.size())
                .map(i -> array.get(i).intValue())
                .toArray();
    }
}
