package org.dpo4j.io.hub;

import java.io.EOFException;
import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.function.LongConsumer;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The download of one content to a file {@code TAG.incomplete}. It goes on with the bytes that the file has, and compares
 * the hash of all with the tag.
 */
final class BlobDownload {
    private static final int BUFFER_BYTES = 1 << 20;

    /** Where a content comes from, and how long to wait for it. */
    record Source(HubHttp http, HubRepository repository, URI uri, Duration dataLimit, HubListener listener) {}

    private final HubFile file;
    private final Path incomplete;
    private final Source source;
    private final Retries retries;
    private final LongConsumer progress;
    private MessageDigest digest;
    private long at;
    /** Most bytes that were on the disk: only more of them are progress. */
    private long furthest;

    /** {@code progress} receives how many bytes are on the disk. */
    BlobDownload(HubFile file, Path incomplete, Source source, Retries retries, LongConsumer progress) {
        this.file = file;
        this.incomplete = incomplete;
        this.source = source;
        this.retries = retries;
        this.progress = progress;
        this.digest = file.digest();
    }

    /**
     * Downloads what is missing. Throws if the content has another hash; a content that was begun earlier is then downloaded
     * once more from its beginning.
     */
    void run() throws UnreachableException {
        boolean isResumed = false;
        try (FileChannel channel = FileChannel.open(
                incomplete, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            isResumed = resume(channel);
            receive(channel);
            if (!isWhole() && isResumed) {
                restart(channel);
                furthest = 0;
                receive(channel);
            }
            channel.force(true);
        } catch (UnreachableException e) {
            throw e;
        } catch (IOException e) {
            throw HubErrors.unwritten(incomplete, e);
        }
        if (!isWhole()) {
            delete();
            throw new Dpo4jException(source.repository() + ": " + file.path() + " arrived with another hash than "
                    + file.tag()
                    + ", so it is not kept; give the same command again, and check proxies between here and"
                    + " the hub if that does not help");
        }
    }

    /** Reads what an earlier download left. Returns whether it left something. */
    private boolean resume(FileChannel channel) throws IOException {
        long size = channel.size();
        if (size > file.bytes()) {
            restart(channel);
            return false;
        }
        ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES);
        while (at < size && channel.read(buffer) >= 0) {
            at += buffer.flip().remaining();
            digest.update(buffer);
            buffer.clear();
            source.listener().waiting();
        }
        furthest = at;
        progress.accept(at);
        return at > 0;
    }

    private void restart(FileChannel channel) throws IOException {
        channel.truncate(0);
        channel.position(0);
        digest = file.digest();
        at = 0;
        progress.accept(at);
    }

    /** The hash so far, which {@link #receive} has completed. */
    private boolean isWhole() {
        try {
            MessageDigest copy = (MessageDigest) digest.clone();
            return at == file.bytes() && HexFormat.of().formatHex(copy.digest()).equals(file.tag());
        } catch (CloneNotSupportedException e) {
            throw new IllegalStateException("a digest of Java cannot be copied", e);
        }
    }

    private void receive(FileChannel channel) throws IOException {
        while (at < file.bytes()) {
            @Nullable IOException failure = attempt(channel);
            if (failure != null) {
                retries.failed(failure);
            }
        }
    }

    /** Receives until the end or an error of the connection, which it returns. Errors of the disk are thrown. */
    private @Nullable IOException attempt(FileChannel channel) throws IOException {
        HubHttp.Answer answer;
        try {
            answer = source.http().get(source.repository(), source.uri(), at);
        } catch (IOException e) {
            return e;
        }
        try (answer) {
            requireTag(answer);
            if (at > 0 && !isContinued(answer)) {
                restart(channel);
                if (answer.isOutOfRange() || answer.isPartial()) {
                    return new IOException("the server does not go on from where the content ended");
                }
            }
            while (at < file.bytes()) {
                List<ByteBuffer> bytes;
                try {
                    bytes = answer.body().next(source.dataLimit(), source.listener());
                } catch (IOException e) {
                    return e;
                }
                if (bytes == null) {
                    return new EOFException("the content ended too early");
                }
                write(channel, bytes);
            }
            return null;
        }
    }

    /** Whether an answer begins where the file ends. A server may ignore the range, or have another content. */
    private boolean isContinued(HubHttp.Answer answer) {
        String range = answer.headers().firstValue("Content-Range").orElse("");
        return answer.isPartial() && range.matches("bytes " + at + "-.*");
    }

    private void requireTag(HubHttp.Answer answer) {
        String tag = answer.tag();
        if (tag != null && !tag.equals(file.tag())) {
            throw new Dpo4jException(source.repository() + ": the hub lists " + file.path() + " with the hash "
                    + file.tag() + ", but sends " + tag + "; give the same command again later");
        }
    }

    private void write(FileChannel channel, List<ByteBuffer> bytes) throws IOException {
        for (ByteBuffer each : bytes) {
            int more = (int) Math.min(each.remaining(), file.bytes() - at); // what is longer than listed is not read
            ByteBuffer used = each.slice(each.position(), more);
            digest.update(used.duplicate());
            while (used.hasRemaining()) {
                channel.write(used);
            }
            at += more;
        }
        if (at > furthest) {
            furthest = at;
            retries.progressed();
        }
        progress.accept(at);
    }

    private void delete() {
        try {
            Files.deleteIfExists(incomplete);
        } catch (IOException e) {
            throw HubErrors.unwritten(incomplete, e);
        }
    }
}
