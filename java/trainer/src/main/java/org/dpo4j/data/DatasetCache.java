package org.dpo4j.data;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Where converted rows are stored, and whether they are kept for later runs.
 *
 * @param directory directory of the stores. Rows that do not fit in memory are written to it even if they are not kept
 * @param isKept true: rows are kept, and taken from an earlier run if file, options and tokenizer are the same; false:
 *     neither; null: as true if the file has at least {@value #MIN_BYTES} bytes, because smaller files are converted in
 *     seconds
 */
public record DatasetCache(Path directory, @Nullable Boolean isKept) {
    static final long MIN_BYTES = 8_000_000;

    /** Keeps nothing. */
    public static final DatasetCache NONE = new DatasetCache(defaultDirectory(), false);

    /** {@code dpo4j/datasets} in {@code XDG_CACHE_HOME}, or else in {@code .cache} of the user's home directory. */
    public static Path defaultDirectory() {
        String cache = System.getenv("XDG_CACHE_HOME");
        Path parent = cache == null || !Path.of(cache).isAbsolute()
                ? Path.of(System.getProperty("user.home"), ".cache")
                : Path.of(cache);
        return parent.resolve("dpo4j").resolve("datasets");
    }

    /** Whether the rows of a source of so many bytes are kept. */
    boolean isKept(long bytes) {
        return isKept == null ? bytes >= MIN_BYTES : isKept;
    }
}
