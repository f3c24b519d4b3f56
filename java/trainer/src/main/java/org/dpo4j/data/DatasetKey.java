package org.dpo4j.data;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.LocalDate;
import java.util.List;
import java.util.stream.Stream;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.ProgramFiles;
import org.dpo4j.io.Sha256;
import org.dpo4j.kernels.Dpo4jException;

/**
 * The name of a store: a hash of everything that its rows depend on. These are path, size and time of the files of rows,
 * the options with the files of the tokenizer, the kinds of rows and the program itself.
 */
final class DatasetKey {
    private static final int NAME_LENGTH = 40;

    /** The function of chat templates that returns the date. */
    private static final String DATE_FUNCTION = "strftime_now";

    private DatasetKey() {}

    /**
     * The key of rows.
     *
     * @param source text that changes with the source of the rows
     * @param options text that is the same only for equal options
     */
    static String find(String source, String options, String kinds) {
        String parts =
                String.join("\n", kinds, options, ProgramFiles.state(DatasetKey.class, "org/dpo4j/data"), source);
        MessageDigest digest = Sha256.digest();
        digest.update(parts.getBytes(StandardCharsets.UTF_8));
        return Sha256.hex(digest).substring(0, NAME_LENGTH);
    }

    /**
     * Hash of the JSON files and chat templates in these directories, as far as they exist. If one of them reads the date,
     * as the template of Llama 3.1 does, the date is added.
     */
    static String hash(List<Path> directories) {
        MessageDigest digest = Sha256.digest();
        boolean isDated = false;
        for (Path directory : directories) {
            try {
                for (Path file : Files.isDirectory(directory) ? settings(directory) : List.<Path>of()) {
                    byte[] content = Files.readAllBytes(file);
                    isDated |= new String(content, StandardCharsets.UTF_8).contains(DATE_FUNCTION);
                    digest.update((file.getFileName() + "\n" + content.length + "\n").getBytes(StandardCharsets.UTF_8));
                    digest.update(content);
                }
            } catch (IOException e) {
                throw new Dpo4jException(
                        directory + " cannot be read (" + FileErrors.reason(e) + "); make its files readable", e);
            }
        }
        return Sha256.hex(digest) + (isDated ? " of " + LocalDate.now() : "");
    }

    private static List<Path> settings(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.filter(file -> file.toString().matches(".*\\.(json|jinja)"))
                    .filter(Files::isRegularFile)
                    .sorted()
                    .toList();
        }
    }
}
