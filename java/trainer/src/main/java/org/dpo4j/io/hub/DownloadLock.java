package org.dpo4j.io.hub;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Locks a file of the cache, so that only one download of dpo4j writes a content at a time. It excludes no download of
 * huggingface_hub, whose locks are of another kind; that writes to files of its own and renames them.
 */
final class DownloadLock implements AutoCloseable {
    /** Locked by this process, which the locks of its files do not exclude. */
    private static final Set<Path> OWN = ConcurrentHashMap.newKeySet();

    private final Path file;
    private final FileChannel channel;

    private DownloadLock(Path file, FileChannel channel) {
        this.file = file;
        this.channel = channel;
    }

    /** Waits until the file is locked. */
    static DownloadLock take(Path file, Waiting waiting, HubListener listener) throws IOException {
        Path real = file.toAbsolutePath().normalize();
        Files.createDirectories(real.getParent());
        for (boolean isFirst = true; ; isFirst = false) {
            DownloadLock lock = OWN.add(real) ? find(real) : null;
            if (lock != null) {
                return lock;
            }
            if (isFirst) {
                listener.notice("another download of the same file is in progress (" + file + "); waiting for it");
            }
            waiting.pause(Waiting.SLICE, listener);
        }
    }

    /** Locks the file, which this process has not locked; null if another process has. */
    private static @Nullable DownloadLock find(Path file) throws IOException {
        FileChannel channel = null;
        boolean isLocked = false;
        try {
            channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            isLocked = isLocked(channel);
            return isLocked ? new DownloadLock(file, channel) : null;
        } finally {
            if (!isLocked) {
                if (channel != null) {
                    channel.close();
                }
                OWN.remove(file);
            }
        }
    }

    /** Some network file systems have no locks. Then two downloads may damage a content, and its hash shows that. */
    private static boolean isLocked(FileChannel channel) {
        try {
            FileLock lock = channel.tryLock();
            return lock != null;
        } catch (IOException e) {
            return true;
        }
    }

    /** Releases the lock. The file stays, because another process may wait for it. */
    @Override
    public void close() throws IOException {
        try {
            channel.close();
        } finally {
            OWN.remove(file);
        }
    }
}
