package org.dpo4j.data.store;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.stream.Stream;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.OutputFile;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * A directory of stores. A store that no run has used for {@link #MAX_AGE} is deleted when another is written. Everything
 * in the directory may be deleted at any time: runs that have mapped a store keep it.
 */
public final class StoreDirectory {
    static final Duration MAX_AGE = Duration.ofDays(30);
    private static final String END = ".rows";
    private static final String REJECTED_END = ".rejected.jsonl";

    private final Path directory;

    public StoreDirectory(Path directory) {
        this.directory = directory;
    }

    Path path() {
        return directory;
    }

    Path file(String name) {
        return directory.resolve(name + END);
    }

    /**
     * The notes of the store of this name, or null if there is none. Throws, with the reason, if it is damaged.
     */
    public @Nullable String notes(String name) throws IOException {
        try {
            return StoredRows.notes(file(name));
        } catch (NoSuchFileException e) {
            return null;
        }
    }

    /** The rows of a store whose notes were read. */
    public <T> StoredRows<T> open(String name, RowCodec<T> codec) throws IOException {
        StoredRows<T> rows = StoredRows.open(codec, file(name));
        touch(file(name));
        if (Files.exists(rejected(name))) {
            touch(rejected(name));
        }
        return rows;
    }

    /** The file of rows that were left out when a store was written, as JSON lines. */
    public Path rejected(String name) {
        return directory.resolve(name + REJECTED_END);
    }

    /** Writes the file of {@link #rejected} rows. */
    public void writeRejected(String name, OutputFile.Content lines) {
        try {
            OutputFile.makeDirectory(directory);
        } catch (IOException e) {
            throw unwritable(e, 0);
        }
        OutputFile.write(rejected(name), lines);
    }

    /** The time of the last use, which {@link #deleteOld} reads. */
    private static void touch(Path file) {
        try {
            Files.setLastModifiedTime(file, FileTime.from(Instant.now()));
        } catch (IOException e) {
            return; // a directory that this user may only read, where nothing is deleted either
        }
    }

    /** Creates a temporary file, and deletes files that nobody needs. */
    TemporaryFile create() throws IOException {
        OutputFile.makeDirectory(directory);
        TemporaryFile.deleteLeftOver(directory);
        deleteOld();
        return TemporaryFile.create(directory);
    }

    private void deleteOld() throws IOException {
        Instant oldest = Instant.now().minus(MAX_AGE);
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                if ((file.toString().endsWith(END) || file.toString().endsWith(REJECTED_END))
                        && Files.getLastModifiedTime(file).toInstant().isBefore(oldest)) {
                    Files.deleteIfExists(file);
                }
            }
        } catch (NoSuchFileException e) {
            return; // another process deletes the same files
        }
    }

    Dpo4jException unwritable(IOException e, long written) {
        String remedy = FileErrors.isAboutSpace(e)
                ? "free space, or name a directory on another disk with dataset_cache_dir"
                : "name a directory that this user can write to with dataset_cache_dir";
        return new Dpo4jException(
                "the token store in " + directory + " cannot be written (" + FileErrors.reason(e) + ", after "
                        + written / 1_000_000 + " MB); " + remedy,
                e);
    }

    @Override
    public String toString() {
        return directory.toString();
    }
}
