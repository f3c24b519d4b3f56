package org.dpo4j.data;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPOutputStream;
import org.dpo4j.model.TestFiles;

/** Rows and files that tests write. */
final class TestData {
    private TestData() {}

    /** A row of texts, which may hold escapes of JSON. */
    static String pair(String prompt, String chosen, String rejected) {
        return "{\"prompt\":\"" + prompt + "\",\"chosen\":\"" + chosen + "\",\"rejected\":\"" + rejected + "\"}";
    }

    /** A row of token ids, each a list of JSON. */
    static String ids(String prompt, String chosen, String rejected) {
        return "{\"prompt_ids\":" + prompt + ",\"chosen_ids\":" + chosen + ",\"rejected_ids\":" + rejected + "}";
    }

    static Path write(Path directory, String name, String content) {
        return TestFiles.write(directory.resolve(name), content);
    }

    static Path write(Path directory, String name, byte[] content) {
        return TestFiles.write(directory.resolve(name), content);
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
}
