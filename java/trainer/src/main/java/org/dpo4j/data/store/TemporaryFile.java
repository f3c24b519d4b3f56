package org.dpo4j.data.store;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.HexFormat;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Stream;

/**
 * A file that is being written. The process that writes it has a lock on it, which the operating system releases when the
 * process ends, even if it is killed. So a temporary file that can be locked is left over, and {@link #deleteLeftOver}
 * deletes it.
 */
final class TemporaryFile implements AutoCloseable {
    private static final String BEGIN = ".";
    private static final String END = ".writing";

    /**
     * Files of this process. File locks do not exclude the same process, and closing any channel to a file releases all
     * locks that the process has on it.
     */
    private static final Set<Path> OWN = ConcurrentHashMap.newKeySet();

    private final Path file;
    private final FileChannel channel;
    private boolean isRenamed;

    private TemporaryFile(Path file, FileChannel channel) {
        this.file = file;
        this.channel = channel;
    }

    static TemporaryFile create(Path directory) throws IOException {
        while (true) {
            String random =
                    HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextLong());
            Path file = directory.resolve(BEGIN + random + END);
            OWN.add(file);
            FileChannel channel = FileChannel.open(
                    file, StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE);
            if (isLocked(channel) && Files.exists(file)) {
                return new TemporaryFile(file, channel);
            }
            channel.close(); // another process has taken it for a left-over before it was locked
            OWN.remove(file);
        }
    }

    /** Tries to lock. True if the file system has no locks: then a left-over is not deleted. */
    private static boolean isLocked(FileChannel channel) {
        try {
            return channel.tryLock() != null;
        } catch (IOException e) {
            return true;
        }
    }

    FileChannel channel() {
        return channel;
    }

    void rename(Path to) throws IOException {
        Files.move(file, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        isRenamed = true;
    }

    @Override
    public void close() throws IOException {
        try (channel) {
            if (!isRenamed) {
                Files.deleteIfExists(file);
            }
        } finally {
            OWN.remove(file);
        }
    }

    /** Deletes the temporary files of processes that were killed. */
    static void deleteLeftOver(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                String name = String.valueOf(file.getFileName());
                if (name.startsWith(BEGIN) && name.endsWith(END) && !OWN.contains(file)) {
                    deleteUnlessLocked(file);
                }
            }
        }
    }

    private static void deleteUnlessLocked(Path file) {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE);
                FileLock lock = channel.tryLock()) {
            if (lock != null) {
                Files.deleteIfExists(file);
            }
        } catch (IOException e) {
            return; // its process has just renamed or deleted it, or the file system has no locks
        }
    }
}
