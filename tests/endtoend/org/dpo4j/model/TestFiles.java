package org.dpo4j.model;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.dpo4j.io.SafeTensors;
import org.dpo4j.io.SafeTensorsHeader;
import org.junit.jupiter.api.Assumptions;

/** Files that tests read: golden ones of the repository, real ones beside it, and small ones that a test writes. */
public final class TestFiles {
    private static final ObjectMapper JSON = new ObjectMapper();

    private TestFiles() {}

    /** A file or directory of the repository. */
    public static Path repository(String name) {
        String root = System.getenv("DPO4J_ROOT");
        Path at = Path.of(root == null ? "" : root).toAbsolutePath();
        while (at != null && !Files.exists(at.resolve("native/dpo4j.h"))) {
            at = at.getParent();
        }
        if (at == null) {
            throw new IllegalStateException(
                    "the repository is not above " + Path.of("").toAbsolutePath() + "; set DPO4J_ROOT");
        }
        return at.resolve(name);
    }

    /** A file or directory of {@code tests/golden}. */
    public static Path golden(String name) {
        return repository("tests/golden").resolve(name);
    }

    /** A file or directory of real data. If it is absent, the test is skipped, and the output names it. */
    public static Path real(String name) {
        String data = System.getenv("DPO4J_DATA");
        Path path = (data == null ? repository("../shared/data") : Path.of(data))
                .resolve(name)
                .normalize();
        Assumptions.assumeTrue(
                Files.exists(path),
                () -> "skipped: " + path + " is absent; set DPO4J_DATA to a directory that holds " + name);
        return path;
    }

    /** Copies {@code config.json} and weights of a golden model into a directory, and returns the directory. */
    public static Path copyModel(String name, Path directory) {
        try {
            Files.createDirectories(directory);
            for (String file : List.of("config.json", "model.safetensors")) {
                Files.copy(golden(name).resolve(file), directory.resolve(file));
            }
            return directory;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static Path write(Path file, String content) {
        return write(file, content.getBytes(StandardCharsets.UTF_8));
    }

    public static Path write(Path file, byte[] content) {
        try {
            return Files.write(file, content);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Replaces a part of a text file, which must be there. */
    public static Path edit(Path file, String before, String after) {
        String text = read(file);
        if (!text.contains(before)) {
            throw new AssertionError(file + " does not contain " + before);
        }
        return write(file, text.replace(before, after));
    }

    /** Makes a named pipe, such as a shell makes for its {@code <(...)}. */
    public static Path pipe(Path path) {
        try {
            int status = new ProcessBuilder("mkfifo", path.toString()).start().waitFor();
            if (status != 0) {
                throw new AssertionError("mkfifo " + path + " ended with " + status);
            }
            return path;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    public static JsonNode json(Path file) {
        return json(read(file));
    }

    public static JsonNode json(String text) {
        try {
            return JSON.readTree(text);
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** All tensors of a safetensors file of F32. */
    public static Map<String, float[]> floatTensors(Path file) {
        Map<String, float[]> all = new TreeMap<>();
        try (SafeTensors tensors = SafeTensors.open(file)) {
            for (SafeTensorsHeader.Entry entry : tensors.entries().values()) {
                ByteBuffer bytes =
                        ByteBuffer.allocate((int) (entry.end() - entry.begin())).order(ByteOrder.LITTLE_ENDIAN);
                tensors.read(entry, 0, bytes);
                float[] values = new float[bytes.flip().remaining() / Float.BYTES];
                bytes.asFloatBuffer().get(values);
                all.put(entry.name(), values);
            }
        }
        return all;
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
}
