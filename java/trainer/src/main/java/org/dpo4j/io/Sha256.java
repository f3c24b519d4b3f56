package org.dpo4j.io;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.stream.LongStream;

/** SHA-256, which every Java has. */
public final class Sha256 {
    /** The buffer fits in the L2 cache. It is also smaller than half a G1 region, so G1 does not allocate it as a humongous object. */
    private static final int CHUNK_BYTES = 128 << 10;

    private static final long PIECE_BYTES = 16L << 20;

    private Sha256() {}

    /** A digest without data. */
    public static MessageDigest digest() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("Java has no SHA-256", e);
        }
    }

    /** The hash of the data that the digest received, as 64 hexadecimal digits. Empties the digest. */
    public static String hex(MessageDigest digest) {
        return HexFormat.of().formatHex(digest.digest());
    }

    /** The hash of a file's content. Reads the file in chunks. */
    public static String hex(Path file) throws IOException {
        MessageDigest digest = digest();
        byte[] chunk = new byte[CHUNK_BYTES];
        try (InputStream input = Files.newInputStream(file)) {
            for (int read = input.read(chunk); read >= 0; read = input.read(chunk)) {
                digest.update(chunk, 0, read);
            }
        }
        return hex(digest);
    }

    /**
     * The hash of the hashes of a file's pieces of 16 MiB, which all cores compute. It is the same on every machine, but not
     * that of {@link #hex(Path)}.
     */
    public static byte[] ofChunks(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file)) {
            long pieces = (channel.size() + PIECE_BYTES - 1) / PIECE_BYTES;
            MessageDigest digest = digest();
            LongStream.range(0, pieces)
                    .parallel()
                    .mapToObj(piece -> piece(channel, piece * PIECE_BYTES))
                    .toList()
                    .forEach(digest::update);
            return digest.digest();
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    private static byte[] piece(FileChannel channel, long begin) {
        MessageDigest digest = digest();
        ByteBuffer chunk = ByteBuffer.allocate(CHUNK_BYTES);
        try {
            for (long at = begin; at < begin + PIECE_BYTES && channel.read(chunk.clear(), at) > 0; ) {
                at += chunk.position();
                digest.update(chunk.flip());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return digest.digest();
    }
}
