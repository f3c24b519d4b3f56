package org.dpo4j.io;

import java.io.EOFException;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.util.zip.ZipException;

/** Says in plain words why a file could not be read or written. Messages of Java's exceptions may name Java classes. */
public final class FileErrors {
    private FileErrors() {}

    /** Whether the cause may be a full disk; also true if the cause is unknown. */
    public static boolean isAboutSpace(IOException e) {
        return !(e instanceof FileSystemException system)
                || reason(system).contains("space")
                || reason(system).contains("quota");
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
