package org.dpo4j.io;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Stream;

/**
 * Writes, deletes, moves and syncs directories. It replaces or deletes symbolic links and never follows them.
 *
 * <p>A directory that must be complete or absent is written under another name: {@link #write} for each file, then one
 * {@link #forceTree}, then a rename.
 */
public final class DirectoryFiles {
    private static final int MAX_FORCED_AT_ONCE = 8;

    private DirectoryFiles() {}

    /**
     * Writes a file of a directory that nothing reads yet. Its bytes may be in the memory of the operating system only,
     * until {@link #forceTree}. Errors name the file.
     */
    public static void write(Path file, OutputFile.Content content) {
        try (FileChannel channel = FileChannel.open(
                file, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE)) {
            content.writeTo(channel);
        } catch (IOException e) {
            throw OutputFile.unwritten(file, e);
        }
    }

    /** Deletes a directory if it is empty, after {@code cause}, to which another error is added. */
    public static void deleteEmpty(Path directory, Throwable cause) {
        try {
            Files.deleteIfExists(directory);
        } catch (DirectoryNotEmptyException e) {
            // somebody else has written into it
        } catch (IOException e) {
            cause.addSuppressed(e);
        }
    }

    /** Deletes a directory and its content. Does nothing if the directory does not exist. */
    public static void deleteTree(Path directory) throws IOException {
        if (!Files.exists(directory, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        List<Path> inside;
        try (Stream<Path> files = Files.walk(directory)) {
            inside = files.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path file : inside) {
            Files.delete(file);
        }
    }

    /**
     * Moves a file or directory into another directory of the same file system. The moved entry replaces an entry of the
     * same name. Throws if that would replace a directory by a file, because the directory may hold other data.
     */
    public static void moveInto(Path directory, Path file) throws IOException {
        Path place = directory.resolve(file.getFileName());
        if (Files.isDirectory(place, LinkOption.NOFOLLOW_LINKS)) {
            if (!Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)) {
                throw new FileSystemException(place.toString(), null, "a directory is in the place of a file");
            }
            deleteTree(place); // a rename replaces no directory that holds something
        }
        Files.move(file, place, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /** Forces the files of a directory and of those in it to the disk, and their names. */
    public static void forceTree(Path directory) throws IOException {
        List<Path> inside;
        try (Stream<Path> files = Files.walk(directory)) {
            inside = files.sorted(Comparator.reverseOrder()).toList();
        }
        forceAtOnce(inside.stream().filter(Files::isRegularFile).toList());
        for (Path path : inside) {
            if (Files.isDirectory(path)) {
                force(path);
            }
        }
    }

    /** The file system then writes them, and its journal, together, instead of one after another. */
    private static void forceAtOnce(List<Path> files) throws IOException {
        if (files.isEmpty()) {
            return;
        }
        ExecutorService threads = Executors.newFixedThreadPool(Math.min(MAX_FORCED_AT_ONCE, files.size()));
        try {
            CompletableFuture.allOf(files.stream()
                            .map(file -> CompletableFuture.runAsync(() -> forceOrThrow(file), threads))
                            .toArray(CompletableFuture<?>[]::new))
                    .join(); // an interrupt does not end the wait
        } catch (CompletionException e) {
            if (e.getCause() instanceof UncheckedIOException unchecked) {
                throw unchecked.getCause();
            }
            throw e;
        } finally {
            threads.shutdown();
        }
    }

    private static void forceOrThrow(Path file) {
        try {
            force(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Forces a file's content, or the names in a directory, to the disk. */
    public static void force(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }
}
