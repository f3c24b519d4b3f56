package org.dpo4j.data.source;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.dpo4j.io.FileErrors;
import org.dpo4j.kernels.Dpo4jException;

/**
 * A regular file of rows.
 *
 * @param bytes its size
 * @param modifiedNanos time of its last change, in nanoseconds since 1970
 */
public record SourceFile(Path path, long bytes, long modifiedNanos) {

    /** The file at a path; a link is followed. */
    static SourceFile at(Path path) {
        try {
            return new SourceFile(
                    path, Files.size(path), Files.getLastModifiedTime(path).to(TimeUnit.NANOSECONDS));
        } catch (IOException e) {
            throw new Dpo4jException(
                    path + " cannot be read (" + FileErrors.reason(e) + "); give a file that this user may read", e);
        }
    }

    /** Text that changes with the file. */
    String identity() {
        return path.toAbsolutePath().normalize() + " " + bytes + " " + modifiedNanos;
    }
}
