package org.dpo4j.io;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.util.HexFormat;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * A file that a user names for writing. A regular file is whole or as it was: its content is written under a temporary
 * name beside it, forced to the disk, then renamed over it. A link is followed, and stays a link. A pipe or a device is
 * opened and written to, for a rename would put a regular file in its place. {@code -} is standard output.
 */
public final class OutputFile {
    private static final String STANDARD = "-";

    /** As Linux has it (path_resolution(7)). */
    private static final int MAX_LINKS = 40;

    /** Bytes of a name that file systems take, less those that a temporary name adds. */
    private static final int MAX_NAME = 200;

    private static final Set<PosixFilePermission> WRITE =
            Set.of(PosixFilePermission.OWNER_WRITE, PosixFilePermission.GROUP_WRITE, PosixFilePermission.OTHERS_WRITE);

    /** What to write. */
    @FunctionalInterface
    public interface Content {
        void writeTo(WritableByteChannel channel) throws IOException;
    }

    private OutputFile() {}

    /** Writes {@code file}; its directory exists. When this throws, a regular file that was there is untouched. */
    public static void write(Path file, Content content) {
        try {
            Path target = target(file);
            @Nullable PrintStream standard = standard(target);
            if (standard != null) {
                writeStandard(standard, content);
            } else if (isWrittenInPlace(target)) {
                writeInPlace(target, content);
            } else {
                requireReplaceable(file, target);
                replace(target, content);
            }
        } catch (IOException e) {
            throw unwritten(file, e);
        }
    }

    /** Throws where {@link #write} could not begin to write this file; for a check before long work. Changes nothing. */
    public static void check(Path file) {
        try {
            Path target = target(file);
            if (standard(target) == null && !isWrittenInPlace(target)) {
                requireReplaceable(file, target);
            }
        } catch (IOException e) {
            throw unwritten(file, e);
        }
    }

    private static Dpo4jException unwritten(Path file, IOException e) {
        return new Dpo4jException(
                (file.toString().equals(STANDARD) ? "standard output" : file) + " cannot be written ("
                        + FileErrors.reason(e) + "); " + remedy(e),
                e);
    }

    private static String remedy(IOException e) {
        if (e instanceof AccessDeniedException) {
            return "choose a path that this user may write";
        }
        return FileErrors.isAboutSpace(e) ? "free space or choose another path" : "choose another path";
    }

    /** As {@link #write(Path, Content)}, of bytes. */
    public static void write(Path file, byte[] bytes) {
        write(file, channel -> {
            ByteBuffer rest = ByteBuffer.wrap(bytes);
            while (rest.hasRemaining()) {
                channel.write(rest);
            }
        });
    }

    /** Makes a directory and those above it; a link to a directory is one. */
    public static void makeDirectory(Path directory) throws IOException {
        @Nullable Path inTheWay = fileInTheWay(directory);
        if (inTheWay != null) {
            throw new NotDirectoryException(inTheWay.toString());
        }
        if (!Files.isDirectory(directory)) { // Java 17 refuses links to directories
            Files.createDirectories(directory);
        }
    }

    /** The first of a directory and those above it that exists, where that is a file; else null. */
    private static @Nullable Path fileInTheWay(Path directory) {
        Path existing = directory;
        while (existing != null && !Files.exists(existing)) {
            existing = existing.getParent();
        }
        return existing == null || Files.isDirectory(existing) ? null : existing;
    }

    /** Where links lead, which may be a name that is not taken yet. Links of /proc lead to pipes, which have no name. */
    private static Path target(Path file) throws IOException {
        Path target = file;
        for (int links = 0; Files.isSymbolicLink(target) && !isOfProcess(target); links++) {
            if (links == MAX_LINKS) {
                throw new IOException("its links lead in a circle");
            }
            target = target.resolveSibling(Files.readSymbolicLink(target));
        }
        return target;
    }

    private static boolean isOfProcess(Path file) throws IOException {
        return directory(file).toRealPath().startsWith("/proc");
    }

    private static Path directory(Path file) {
        Path parent = file.toAbsolutePath().getParent();
        return parent == null ? file.toAbsolutePath() : parent;
    }

    /** The stream that {@code -} and the descriptors 1 and 2 of this process are. */
    private static @Nullable PrintStream standard(Path target) throws IOException {
        if (target.toString().equals(STANDARD)) {
            return System.out;
        }
        String name = String.valueOf(target.getFileName());
        if ((name.equals("1") || name.equals("2"))
                && Files.isDirectory(directory(target))
                && directory(target)
                        .toRealPath()
                        .equals(Path.of("/proc/self/fd").toRealPath())) {
            return name.equals("1") ? System.out : System.err;
        }
        return null;
    }

    private static void writeStandard(PrintStream stream, Content content) throws IOException {
        content.writeTo(Channels.newChannel(stream));
        if (stream.checkError()) { // flushes; a PrintStream keeps its exceptions to itself
            throw new IOException("it was closed, or its disk is full");
        }
    }

    private static boolean isWrittenInPlace(Path target) throws IOException {
        if (!Files.exists(target)) {
            return false;
        }
        return Files.readAttributes(target, BasicFileAttributes.class).isOther() || isOfProcess(target);
    }

    private static void writeInPlace(Path target, Content content) throws IOException {
        // APPEND: a descriptor of this process may stand for a regular file that others have begun
        StandardOpenOption how = isOfProcess(target) ? StandardOpenOption.APPEND : StandardOpenOption.WRITE;
        try (FileChannel channel = FileChannel.open(target, how)) {
            content.writeTo(channel);
        }
    }

    private static void requireReplaceable(Path file, Path target) throws IOException {
        if (Files.isDirectory(target)) {
            throw new Dpo4jException(file + " is a directory; name a file in it");
        }
        @Nullable Path inTheWay = fileInTheWay(directory(target));
        if (inTheWay != null) {
            throw new Dpo4jException(
                    file + " cannot be written: " + inTheWay + " is a file, not a directory; choose another path");
        }
        if (!Files.isDirectory(directory(target))) {
            throw new Dpo4jException(file + " cannot be written: the directory " + directory(target)
                    + " does not exist; make it, or choose another path");
        }
        @Nullable PosixFileAttributes old = attributes(target);
        if (old != null
                && (!Files.isWritable(target) || old.permissions().stream().noneMatch(WRITE::contains))) {
            throw new Dpo4jException(file + " is read-only; make it writable (chmod u+w), or choose another path");
        }
    }

    private static void replace(Path target, Content content) throws IOException {
        @Nullable PosixFileAttributes old = attributes(target);
        Path temporary = temporary(target);
        temporary.toFile().deleteOnExit(); // what Ctrl-C leaves
        try {
            try (FileChannel channel =
                    FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                if (old != null) {
                    keepAttributes(old, temporary); // before there is anything to read
                }
                content.writeTo(channel);
                channel.force(true);
            }
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            delete(temporary);
        }
    }

    private static @Nullable PosixFileAttributes attributes(Path target) throws IOException {
        return Files.exists(target, LinkOption.NOFOLLOW_LINKS)
                ? Files.readAttributes(target, PosixFileAttributes.class)
                : null;
    }

    /** A name of its own, so that two who write the same file do not write into each other's. */
    private static Path temporary(Path target) {
        String name = String.valueOf(target.getFileName());
        String begin = name.getBytes(StandardCharsets.UTF_8).length <= MAX_NAME ? name : "long-name";
        String random = HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextLong());
        return target.resolveSibling("." + begin + "." + random + ".writing");
    }

    /** Permissions as they were; owner and group where this user may set them. */
    private static void keepAttributes(PosixFileAttributes old, Path temporary) throws IOException {
        PosixFileAttributeView view = Files.getFileAttributeView(temporary, PosixFileAttributeView.class);
        PosixFileAttributes now = view.readAttributes();
        try {
            if (!now.group().equals(old.group())) {
                view.setGroup(old.group());
            }
            if (!now.owner().equals(old.owner())) {
                view.setOwner(old.owner());
            }
        } catch (IOException e) {
            // the file is this user's from now on, as it is when any editor saves it
        }
        view.setPermissions(old.permissions()); // last, as chown clears some
    }

    private static void delete(Path temporary) {
        try {
            Files.deleteIfExists(temporary);
        } catch (IOException e) {
            throw new Dpo4jException(
                    temporary + " cannot be deleted (" + FileErrors.reason(e) + "); delete it by hand", e);
        }
    }
}
