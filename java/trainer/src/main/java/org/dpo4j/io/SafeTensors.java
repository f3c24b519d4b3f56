package org.dpo4j.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * A safetensors file: 8 bytes of header length, a JSON header, the bytes of the tensors. It is read by position instead
 * of memory-mapped, so that a file that is truncated during a read gives an error and not a crash. The caller closes
 * it. Several threads may read at the same time.
 */
public final class SafeTensors implements AutoCloseable {
    /** A model of a thousand tensors has a header of 100 KiB. */
    private static final long MAX_HEADER_BYTES = 16L << 20;

    private final Path file;
    private final FileChannel channel;
    private final long dataBegin;
    private final Map<String, SafeTensorsHeader.Entry> entries;

    private SafeTensors(Path file, FileChannel channel) throws IOException {
        this.file = file;
        this.channel = channel;
        long fileBytes = channel.size();
        if (fileBytes < 8) {
            throw new Dpo4jException("it has " + fileBytes + " bytes, too few for a header; download it again");
        }
        ByteBuffer prefix = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
        fill(prefix, 0);
        long headerBytes = prefix.flip().getLong();
        long max = Math.min(MAX_HEADER_BYTES, fileBytes - 8);
        if (headerBytes < 2 || headerBytes > max) {
            throw new Dpo4jException("its header claims " + Long.toUnsignedString(headerBytes) + " bytes where 2 to "
                    + max + " are possible; the file is cut short or not a safetensors file, download it again");
        }
        ByteBuffer header = ByteBuffer.allocate((int) headerBytes);
        fill(header, 8);
        this.dataBegin = 8 + headerBytes;
        this.entries = SafeTensorsHeader.parse(header.array(), fileBytes - dataBegin);
    }

    /** Opens a file and checks its header. Errors name the file. Throws {@link CancellationException} if the thread is interrupted. */
    public static SafeTensors open(Path file) {
        try {
            refuseOtherFormat(file, FileFormat.find(file));
        } catch (NoSuchFileException e) {
            throw new Dpo4jException(file + " does not exist; download the model again", e);
        } catch (IOException e) {
            throw JsonFile.unreadable(file, e);
        }
        try {
            FileChannel channel = FileChannel.open(file, StandardOpenOption.READ);
            try {
                return new SafeTensors(file, channel);
            } catch (Dpo4jException | IOException e) {
                channel.close();
                throw e;
            }
        } catch (ClosedChannelException e) {
            throw interrupted(file, e);
        } catch (IOException e) {
            throw JsonFile.unreadable(file, e);
        } catch (Dpo4jException e) {
            throw new Dpo4jException(file + ": " + e.getMessage(), e);
        }
    }

    /** Throws if the file has another known format. Unknown binary content is left to the check of the header. */
    private static void refuseOtherFormat(Path file, @Nullable FileFormat format) {
        if (format != null && format != FileFormat.SAFETENSORS && format != FileFormat.BINARY) {
            throw new Dpo4jException(format.refuseModelFile(file));
        }
    }

    /** The path given to {@link #open}. */
    public Path file() {
        return file;
    }

    /** The tensors by name, in the order of the header. */
    public Map<String, SafeTensorsHeader.Entry> entries() {
        return entries;
    }

    /**
     * Fills {@code destination} with bytes of a tensor from {@code offset} on. Throws if the tensor has fewer bytes, and
     * {@link CancellationException} if a thread that reads the file is interrupted.
     */
    public void read(SafeTensorsHeader.Entry entry, long offset, ByteBuffer destination) {
        if (offset < 0 || destination.remaining() > entry.end() - entry.begin() - offset) {
            throw new IllegalArgumentException("beyond the end of " + entry.name());
        }
        try {
            fill(destination, dataBegin + entry.begin() + offset);
        } catch (ClosedChannelException e) {
            throw interrupted(file, e);
        } catch (IOException e) {
            throw new Dpo4jException(
                    file + ", tensor " + entry.name() + ": cannot be read (" + FileErrors.reason(e)
                            + "); download it again",
                    e);
        }
    }

    /** An interrupt of a thread that reads closes the channel, for all threads. */
    private static CancellationException interrupted(Path file, ClosedChannelException cause) {
        CancellationException cancelled = new CancellationException("reading " + file + " was interrupted");
        cancelled.initCause(cause);
        return cancelled;
    }

    private void fill(ByteBuffer destination, long position) throws IOException {
        while (destination.hasRemaining()) {
            int bytes = channel.read(destination, position);
            if (bytes < 0) {
                throw new IOException("the file ends at byte " + position);
            }
            position += bytes;
        }
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw new Dpo4jException(file + " cannot be closed: " + FileErrors.reason(e), e);
        }
    }

    /** Supplies bytes to {@link #write}: fills {@code destination} with a tensor's bytes from {@code offset} on. */
    @FunctionalInterface
    public interface Source {
        void read(Plan tensor, long offset, ByteBuffer destination);
    }

    /** A tensor to be written. */
    public record Plan(String name, String dtype, List<Long> shape) {
        /** Bytes of the tensor. */
        public long bytes() {
            return shape.stream().reduce((long) SafeTensorsHeader.bytes(dtype), Math::multiplyExact);
        }
    }

    /**
     * Writes a file of a directory that nothing reads yet ({@link DirectoryFiles#write}): tensors in the order of {@code
     * plans}, in the format of transformers: metadata {@code format: pt}, header
     * padded with spaces to a multiple of 8 bytes. The same input gives the same file. {@code source} fills {@code
     * chunk}, a {@link #chunk}, and must not keep it.
     */
    public static void write(Path file, List<Plan> plans, ByteBuffer chunk, Source source) {
        byte[] header = header(plans);
        DirectoryFiles.write(file, channel -> {
            ByteBuffer prefix = ByteBuffer.allocate(8)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(header.length)
                    .flip();
            drain(channel, prefix);
            drain(channel, ByteBuffer.wrap(header));
            for (Plan plan : plans) {
                for (long offset = 0; offset < plan.bytes(); offset += chunk.capacity()) {
                    chunk.clear().limit((int) Math.min(chunk.capacity(), plan.bytes() - offset));
                    source.read(plan, offset, chunk);
                    drain(channel, chunk.flip());
                }
            }
        });
    }

    /**
     * A direct buffer of at most {@code maxBytes}, and no larger than the largest tensor: the system must provide and zero
     * each of its pages.
     */
    public static ByteBuffer chunk(Collection<Plan> plans, int maxBytes) {
        long largest = plans.stream().mapToLong(Plan::bytes).max().orElse(0);
        return ByteBuffer.allocateDirect((int) Math.min(maxBytes, largest)).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Size of the file that {@link #write} writes. */
    public static long bytes(List<Plan> plans) {
        return 8 + header(plans).length + plans.stream().mapToLong(Plan::bytes).sum();
    }

    private static byte[] header(List<Plan> plans) {
        var json = JsonFile.object();
        json.putObject("__metadata__").put("format", "pt");
        long begin = 0;
        for (Plan plan : plans) {
            var tensor = json.putObject(plan.name()).put("dtype", plan.dtype());
            plan.shape().forEach(tensor.putArray("shape")::add);
            tensor.putArray("data_offsets").add(begin).add(begin + plan.bytes());
            begin += plan.bytes();
        }
        String text = json.toString();
        int padding = -text.getBytes(StandardCharsets.UTF_8).length & 7;
        return (text + " ".repeat(padding)).getBytes(StandardCharsets.UTF_8);
    }

    private static void drain(WritableByteChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }
}
