package org.dpo4j.train.reference;

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
 * Log-probs of references that earlier runs computed: one file per reference, in a directory whose files may be deleted at
 * any time. A file is replaced by a rename, so it is whole, whoever else writes it at the same time. A file that no run
 * has used for {@link #MAX_AGE} is deleted when another is written.
 */
public final class ReferenceCache {
    static final Duration MAX_AGE = Duration.ofDays(30);
    private static final String END = ".logprobs";
    private static final String WRITING = ".writing";

    private final Path directory;
    private final String name;

    /**
     * The file of one reference.
     *
     * @param name SHA-256 of all that its log-probs depend on, except the rows: 64 hexadecimal digits
     */
    public ReferenceCache(Path directory, String name) {
        this.directory = directory;
        this.name = name;
    }

    public Path file() {
        return directory.resolve(name + END);
    }

    /** Why nothing can be kept: the directory is none, cannot be made or cannot be written; null if it can. Makes it. */
    public @Nullable String fault() {
        try {
            OutputFile.makeDirectory(directory);
        } catch (IOException e) {
            return directory + " cannot be made (" + FileErrors.reason(e) + ")";
        }
        return Files.isWritable(directory) ? null : directory + " is not writable";
    }

    /** The log-probs that earlier runs kept; none if there is no file. Throws, with the reason, if it is damaged. */
    public LogProbTable read() throws IOException {
        byte[] content;
        try {
            content = Files.readAllBytes(file());
        } catch (NoSuchFileException e) {
            return new LogProbTable();
        }
        LogProbTable table = LogProbTable.read(content, name);
        touch();
        return table;
    }

    /**
     * Keeps log-probs beside those that the file has by now. Of two runs that write at the same time, one may lose what
     * it added, and the file is whole.
     */
    public void write(LogProbTable computed) {
        try {
            OutputFile.makeDirectory(directory);
            deleteOld();
        } catch (IOException e) {
            throw new Dpo4jException(directory + " cannot be written (" + FileErrors.reason(e) + ")", e);
        }
        LogProbTable all = new LogProbTable();
        all.addAll(computed);
        try {
            all.addAll(read());
        } catch (IOException e) {
            // a damaged file is replaced
        }
        OutputFile.write(file(), all.bytes(name));
    }

    /** The time of the last use, which {@link #deleteOld} reads. */
    private void touch() {
        try {
            Files.setLastModifiedTime(file(), FileTime.from(Instant.now()));
        } catch (IOException e) {
            return; // a directory that this user may only read, where nothing is deleted either
        }
    }

    private void deleteOld() throws IOException {
        Instant oldest = Instant.now().minus(MAX_AGE);
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                boolean isOwn = file.toString().endsWith(END) || file.toString().endsWith(WRITING);
                if (isOwn && Files.getLastModifiedTime(file).toInstant().isBefore(oldest)) {
                    Files.deleteIfExists(file);
                }
            }
        } catch (NoSuchFileException e) {
            return; // another process deletes the same files
        }
    }
}
