package org.dpo4j.train;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Random;

/**
 * A file that keeps space of a disk until it is deleted. The program fallocate of Linux allocates its blocks without writing
 * them. Where that does not work, the file is written, with random bytes, because some file systems compress.
 */
final class ReservedFile {
    /** Writing fewer bytes takes no longer than starting a program. */
    private static final long MIN_ALLOCATED = 64L << 20;

    private static final int CHUNK_BYTES = 1 << 20;

    private ReservedFile() {}

    /** Makes a file of this size, which must not exist. */
    static void make(Path file, long bytes) throws IOException {
        make(file, bytes, "fallocate");
    }

    /** As the other method, with another name of the program. */
    static void make(Path file, long bytes, String program) throws IOException {
        if (bytes < MIN_ALLOCATED || !isAllocated(file, bytes, program)) {
            Files.deleteIfExists(file);
            write(file, bytes);
        }
    }

    private static boolean isAllocated(Path file, long bytes, String program) {
        ProcessBuilder builder = new ProcessBuilder(program, "-l", Long.toString(bytes), "--", file.toString());
        builder.redirectOutput(ProcessBuilder.Redirect.DISCARD).redirectError(ProcessBuilder.Redirect.DISCARD);
        try {
            return builder.start().waitFor() == 0 && Files.size(file) == bytes;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        } catch (IOException e) {
            return false; // there is no such program
        }
    }

    private static void write(Path file, long bytes) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            byte[] random = new byte[CHUNK_BYTES];
            new Random(0).nextBytes(random);
            ByteBuffer chunk = ByteBuffer.wrap(random);
            for (long left = bytes; left > 0; ) {
                chunk.clear().limit((int) Math.min(CHUNK_BYTES, left));
                left -= channel.write(chunk);
            }
        }
    }
}
