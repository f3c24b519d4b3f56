package org.dpo4j.train;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.OutputFile;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.report.RunListener;
import org.jspecify.annotations.Nullable;

/**
 * Locks an output directory for one run by locking its file {@code .lock}. The operating system releases the lock when
 * the process ends, even if it is killed. The file holds the process id.
 */
final class OutputLock implements AutoCloseable {
    private static final String NAME = ".lock";

    /**
     * Directories locked by this process. File locks do not exclude the same process, and closing any channel to a file
     * releases all locks that the process has on it. So a second run of this process must not even open the file.
     */
    private static final Set<Path> OWN = ConcurrentHashMap.newKeySet();

    private final Path directory;
    private final FileChannel channel;

    private OutputLock(Path directory, FileChannel channel) {
        this.directory = directory;
        this.channel = channel;
    }

    /** Creates a directory if needed, and locks it as {@link #take}. */
    static OutputLock make(Path directory, RunListener listener) {
        try {
            OutputFile.makeDirectory(directory);
            return take(directory, listener);
        } catch (IOException e) {
            throw new Dpo4jException(
                    "output_dir " + directory + " is not writable (" + FileErrors.reason(e) + "); choose another", e);
        }
    }

    /** The directory, without links. */
    Path directory() {
        return directory;
    }

    /** Locks an existing directory. Throws, naming the process that holds the lock, if there is one. */
    static OutputLock take(Path directory, RunListener listener) throws IOException {
        Path real = directory.toRealPath();
        if (!OWN.add(real)) {
            throw inUse(directory, "this process");
        }
        try {
            return new OutputLock(real, lock(directory, real.resolve(NAME), listener));
        } catch (IOException | RuntimeException e) {
            OWN.remove(real);
            throw e;
        }
    }

    private static FileChannel lock(Path directory, Path file, RunListener listener) throws IOException {
        while (true) {
            open(file).close(); // creates it
            Object before = key(file);
            FileChannel channel = open(file);
            try {
                if (!isLocked(channel, directory, listener)) {
                    throw inUse(directory, "process " + owner(channel));
                }
                if (before != null && before.equals(key(file))) {
                    writeNumber(channel);
                    return channel;
                }
                channel.close(); // the run that held the lock has deleted this file meanwhile
            } catch (IOException | RuntimeException e) {
                channel.close();
                throw e;
            }
        }
    }

    /**
     * Tries to lock. Returns false if another process holds the lock. If the file system does not support locks, as
     * some network file systems, notifies the user and continues without a lock.
     */
    private static boolean isLocked(FileChannel channel, Path directory, RunListener listener) {
        try {
            return channel.tryLock() != null;
        } catch (IOException e) {
            listener.notice("output_dir " + directory + " cannot be locked (" + FileErrors.reason(e)
                    + "): start no second run in it before this one ends");
            return true;
        }
    }

    private static FileChannel open(Path file) throws IOException {
        return FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
    }

    /** Identity of the file (its inode), to detect that another has replaced it; null if it does not exist. */
    private static @Nullable Object key(Path file) throws IOException {
        try {
            return Files.readAttributes(file, BasicFileAttributes.class).fileKey();
        } catch (NoSuchFileException e) {
            return null;
        }
    }

    private static void writeNumber(FileChannel channel) throws IOException {
        channel.truncate(0);
        channel.write(
                ByteBuffer.wrap(Long.toString(ProcessHandle.current().pid()).getBytes(StandardCharsets.US_ASCII)), 0);
    }

    private static String owner(FileChannel channel) throws IOException {
        ByteBuffer number = ByteBuffer.allocate(20);
        channel.read(number, 0);
        return new String(number.array(), 0, number.position(), StandardCharsets.US_ASCII);
    }

    private static Dpo4jException inUse(Path directory, String by) {
        return new Dpo4jException("output_dir " + directory + " is in use by another run (" + by
                + "); wait until that run ends, or choose another");
    }

    /** Deletes the lock file and releases the lock. */
    @Override
    public void close() {
        try (channel) {
            Files.deleteIfExists(directory.resolve(NAME));
        } catch (IOException e) {
            throw new Dpo4jException(
                    directory.resolve(NAME) + " cannot be deleted (" + FileErrors.reason(e) + "); delete it by hand",
                    e);
        } finally {
            OWN.remove(directory);
        }
    }
}
