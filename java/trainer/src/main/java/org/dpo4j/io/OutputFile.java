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
 * A file that a user names for writing. A regular file is written completely or keeps its old content: the new content
 * is written to a temporary file beside it, forced to disk, then renamed over it. A symbolic link is followed and stays
 * a link. A pipe or device is written directly, because a rename would replace it by a regular file. {@code -} is
 * standard output.
 */
public final class OutputFile {
    private static final String STANDARD = "-";

    /** The limit of Linux (path_resolution(7)). */
    private static final int MAX_LINKS = 40;

    /** Maximum bytes of a name (255 on common file systems), less those that a temporary name adds. */
    private static final int MAX_NAME = 200;

    private static final Set<PosixFilePermission> WRITE =
            Set.of(PosixFilePermission.OWNER_WRITE, PosixFilePermission.GROUP_WRITE, PosixFilePermission.OTHERS_WRITE);

    /** Writes the content of a file. */
    @FunctionalInterface
    public interface Content {
        void writeTo(WritableByteChannel channel) throws IOException;
    }

    private OutputFile() {}

    /** Writes {@code file}, whose directory must exist. If this throws, an existing regular file is unchanged. */
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

    /** Throws if {@link #write} would fail before it writes content. For a check before long work; changes nothing. */
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

    static Dpo4jException unwritten(Path file, IOException e) {
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

    /** As {@link #write(Path, Content)}, with bytes. */
    public static void write(Path file, byte[] bytes) {
        write(file, content(bytes));
    }

    /** Bytes as the content of a file. */
    public static Content content(byte[] bytes) {
        return channel -> {
            ByteBuffer rest = ByteBuffer.wrap(bytes);
            while (rest.hasRemaining()) {
                channel.write(rest);
            }
        };
    }

    /** Creates a directory and its parents. A link to a directory counts as a directory. */
    public static void makeDirectory(Path directory) throws IOException {
        @Nullable Path inTheWay = fileInTheWay(directory);
        if (inTheWay != null) {
            throw new NotDirectoryException(inTheWay.toString());
        }
        if (!Files.isDirectory(directory)) { // Java 17 refuses links to directories
            Files.createDirectories(directory);
        }
    }

    /** The nearest existing path among a directory and its parents if it is a file; else null. */
    private static @Nullable Path fileInTheWay(Path directory) {
        Path existing = directory;
        while (existing != null && !Files.exists(existing)) {
            existing = existing.getParent();
        }
        return existing == null || Files.isDirectory(existing) ? null : existing;
    }

    /**
     * The target of links, which need not exist. Links in /proc are not followed: they lead to pipes without a name.
     */
    private static Path target(Path file) throws IOException {
        Path target = file;
        for (int links = 0; Files.isSymbolicLink(target) && !isInProc(target); links++) {
            if (links == MAX_LINKS) {
                throw new IOException("its links form a cycle");
            }
            target = target.resolveSibling(Files.readSymbolicLink(target));
        }
        return target;
    }

    private static boolean isInProc(Path file) throws IOException {
        return directory(file).toRealPath().startsWith("/proc");
    }

    private static Path directory(Path file) {
        Path parent = file.toAbsolutePath().getParent();
        return parent == null ? file.toAbsolutePath() : parent;
    }

    /** Standard output or error if the target is {@code -} or descriptor 1 or 2 of this process; else null. */
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
            throw new IOException("it was closed, or the disk is full");
        }
    }

    private static boolean isWrittenInPlace(Path target) throws IOException {
        if (!Files.exists(target)) {
            return false;
        }
        return Files.readAttributes(target, BasicFileAttributes.class).isOther() || isInProc(target);
    }

    private static void writeInPlace(Path target, Content content) throws IOException {
        // APPEND: a descriptor of this process may be a regular file that already has content
        StandardOpenOption how = isInProc(target) ? StandardOpenOption.APPEND : StandardOpenOption.WRITE;
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
        temporary.toFile().deleteOnExit(); // in case of Ctrl-C
        try {
            try (FileChannel channel =
                    FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                if (old != null) {
                    keepAttributes(old, temporary); // before there is content, which may be private
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

    /** A random name, so that two processes that write the same file do not share a temporary file. */
    private static Path temporary(Path target) {
        String name = String.valueOf(target.getFileName());
        String begin = name.getBytes(StandardCharsets.UTF_8).length <= MAX_NAME ? name : "long-name";
        String random = HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextLong());
        return target.resolveSibling("." + begin + "." + random + ".writing");
    }

    /** Copies permissions, and owner and group if this user may set them. */
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
            // the file now belongs to this user, as after saving it in an editor
        }
        view.setPermissions(old.permissions()); // last, because chown clears some permissions
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
