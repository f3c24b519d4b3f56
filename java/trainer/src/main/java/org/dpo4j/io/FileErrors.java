package org.dpo4j.io;

import java.io.EOFException;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;

/** Says in plain words why a file could not be read or written. Messages of Java's exceptions may name Java classes. */
public final class FileErrors {
    private static final String UNKNOWN_SPACE = "the free space is not known";

    private FileErrors() {}

    /** Whether the cause may be a full disk; also true if the cause is unknown. */
    public static boolean isAboutSpace(IOException e) {
        return !(e instanceof FileSystemException system)
                || reason(system).contains("space")
                || reason(system).contains("quota");
    }

    /**
     * Of an error that may be about space, how much is needed and free, and what to do: {@code "the model needs 1.2 GB, and 3.4 MB
     * are free; free space, or "}. Of another error, nothing.
     *
     * @param what is written
     * @param path where, which need not exist
     */
    public static String space(IOException e, String what, long bytes, Path path) {
        if (!isAboutSpace(e)) {
            return "";
        }
        return what + " needs " + ByteSize.text(bytes)
                + (reason(e).contains("File too large") // strerror(EFBIG)
                        ? "; allow larger files (ulimit -f), or "
                        : ", and " + free(path) + "; free space, or ");
    }

    private static String free(Path path) {
        @Nullable Path existing = path.toAbsolutePath();
        while (existing != null && !Files.exists(existing)) {
            existing = existing.getParent();
        }
        try {
            return existing == null
                    ? UNKNOWN_SPACE
                    : ByteSize.text(Files.getFileStore(existing).getUsableSpace()) + " are free";
        } catch (IOException e) {
            return UNKNOWN_SPACE;
        }
    }

    public static String reason(IOException e) {
        if (e instanceof NoSuchFileException) {
            return "it does not exist";
        }
        if (e instanceof AccessDeniedException) {
            return "permission denied";
        }
        if (e instanceof FileAlreadyExistsException) {
            return "a file of that name exists already";
        }
        if (e instanceof DirectoryNotEmptyException) {
            return "a directory of that name exists, and is not empty";
        }
        if (e instanceof NotDirectoryException file) {
            return file.getFile() + " is a file, not a directory";
        }
        if (e instanceof FileSystemException system) {
            return system.getReason() == null ? "the file system gives no reason" : system.getReason();
        }
        if (e instanceof ZipException) {
            return "the gzip data are damaged";
        }
        if (e instanceof EOFException) {
            return "the data end too early";
        }
        if (e instanceof CharacterCodingException) {
            return "the bytes are not UTF-8";
        }
        return e.getMessage() == null ? "input or output failed" : e.getMessage();
    }
}
