package org.dpo4j.io.gguf;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.io.OutputFile;

/**
 * Writes GGUF, version 3, little-endian: a header, the metadata, a table of the tensors, then their bytes, each tensor at
 * a multiple of 32 bytes. Source: docs/gguf.md of ggml.
 */
public final class GgufFile {
    private static final byte[] MAGIC = "GGUF".getBytes(StandardCharsets.US_ASCII);
    private static final int VERSION = 3;
    private static final int ALIGNMENT = 32;

    /** Writes all bytes of a tensor to {@code channel}. */
    @FunctionalInterface
    public interface Source {
        void write(GgufTensor tensor, WritableByteChannel channel) throws IOException;
    }

    private GgufFile() {}

    /**
     * Writes a file as {@link OutputFile} does: a regular file is complete, or as it was before. Tensors are asked for one
     * after the other, in the order of the list.
     */
    public static void write(Path file, GgufMetadata metadata, List<GgufTensor> tensors, Source source) {
        OutputFile.write(file, channel -> {
            long position = drain(channel, ByteBuffer.wrap(header(metadata, tensors)));
            position += drain(channel, metadata.bytes());
            position += drain(channel, ByteBuffer.wrap(table(tensors)));
            pad(channel, position);
            for (GgufTensor tensor : tensors) {
                Counted counted = new Counted(channel);
                source.write(tensor, counted);
                if (counted.count != tensor.bytes()) {
                    throw new IllegalStateException(
                            tensor.name() + " has " + tensor.bytes() + " bytes, not " + counted.count);
                }
                pad(channel, counted.count);
            }
        });
    }

    /** Size of the file that {@link #write} writes. */
    public static long bytes(GgufMetadata metadata, List<GgufTensor> tensors) {
        long head = (long) header(metadata, tensors).length + metadata.bytes().remaining() + table(tensors).length;
        return padded(head)
                + tensors.stream().mapToLong(tensor -> padded(tensor.bytes())).sum();
    }

    private static byte[] header(GgufMetadata metadata, List<GgufTensor> tensors) {
        GgufBytes bytes = new GgufBytes();
        for (byte letter : MAGIC) {
            bytes.put(letter);
        }
        bytes.putInt(VERSION);
        bytes.putLong(tensors.size());
        bytes.putLong(metadata.size());
        return bytes.toByteArray();
    }

    private static byte[] table(List<GgufTensor> tensors) {
        GgufBytes bytes = new GgufBytes();
        long offset = 0;
        for (GgufTensor tensor : tensors) {
            bytes.putText(tensor.name());
            List<Long> shape = tensor.shape();
            bytes.putInt(shape.size());
            for (int i = shape.size() - 1; i >= 0; i--) {
                bytes.putLong(shape.get(i));
            }
            bytes.putInt(tensor.type().id());
            bytes.putLong(offset);
            offset += padded(tensor.bytes());
        }
        return bytes.toByteArray();
    }

    private static long padded(long bytes) {
        return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    private static void pad(WritableByteChannel channel, long position) throws IOException {
        drain(channel, ByteBuffer.allocate((int) (padded(position) - position)));
    }

    private static long drain(WritableByteChannel channel, ByteBuffer bytes) throws IOException {
        long count = bytes.remaining();
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
        return count;
    }

    /** Counts the bytes that are written. */
    private static final class Counted implements WritableByteChannel {
        private final WritableByteChannel channel;
        private long count;

        Counted(WritableByteChannel channel) {
            this.channel = channel;
        }

        @Override
        public int write(ByteBuffer bytes) throws IOException {
            int written = channel.write(bytes);
            count += written;
            return written;
        }

        @Override
        public boolean isOpen() {
            return channel.isOpen();
        }

        @Override
        public void close() {
            // the file is closed by the one who opened it
        }
    }
}
