package org.dpo4j.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;

/**
 * A table in a resource file: one row per line, cells separated by {@code |}; lines that begin with {@code #} are
 * comments.
 */
final class TableFile {
    private TableFile() {}

    /** The rows of the resource {@code name}, each with {@code cells} cells. */
    static List<String[]> rows(String name, int cells) {
        try (InputStream in = Objects.requireNonNull(TableFile.class.getResourceAsStream(name), name)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> !line.isBlank() && !line.startsWith("#"))
                    .map(line -> line.split(" *\\| *", cells))
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
