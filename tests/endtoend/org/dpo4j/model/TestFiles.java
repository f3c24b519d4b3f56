package org.dpo4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Assumptions;

/** Where tests find models: golden ones in the repository, real ones beside it. */
public final class TestFiles {
    private static final ObjectMapper JSON = new ObjectMapper();

    private TestFiles() {}

    /** A directory of {@code tests/golden}. */
    public static Path golden(String name) {
        return repository().resolve("tests/golden").resolve(name);
    }

    /** A file or directory of real data; where it is absent the test is skipped, saying so. */
    public static Path real(String name) {
        String data = System.getenv("DPO4J_DATA");
        Path path = (data == null ? repository().resolve("../shared/data") : Path.of(data))
                .resolve(name)
                .normalize();
        Assumptions.assumeTrue(
                Files.exists(path),
                () -> "skipped: " + path + " is absent; set DPO4J_DATA to a directory that holds " + name);
        return path;
    }

    public static JsonNode json(Path file) {
        try {
            return JSON.readTree(file.toFile());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static int[] ints(JsonNode array) {
        return IntStream.range(0, array.size())
                .map(i -> array.get(i).intValue())
                .toArray();
    }

    public static double[] doubles(JsonNode array) {
        return IntStream.range(0, array.size())
                .mapToDouble(i -> array.get(i).doubleValue())
                .toArray();
    }

    private static Path repository() {
        String root = System.getenv("DPO4J_ROOT");
        Path at = Path.of(root == null ? "" : root).toAbsolutePath();
        while (at != null && !Files.exists(at.resolve("native/dpo4j.h"))) {
            at = at.getParent();
        }
        if (at == null) {
            throw new IllegalStateException(
                    "the repository is not above " + Path.of("").toAbsolutePath() + "; set DPO4J_ROOT");
        }
        return at;
    }
}
