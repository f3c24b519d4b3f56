package org.dpo4j.train;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.OutputFile;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Model;
import org.dpo4j.report.MetricsLog;
import org.dpo4j.report.RunListener;
import org.jspecify.annotations.Nullable;

/**
 * Where a trained model goes: checked before the long work, filled after it, never left half-written. One run at a time
 * has it.
 */
final class OutputDirectory implements AutoCloseable {
    private static final String INDEX = "model.safetensors.index.json";
    private static final String WRITING = ".writing";
    private static final List<String> WEIGHTS = List.of("model.safetensors", INDEX);

    /** Files take whole blocks of the disk. */
    private static final long BLOCK = 4096;

    private static final String METRICS = "metrics.jsonl";

    /** Bytes that may still be written to the disk of a directory. */
    @FunctionalInterface
    interface FreeSpace {
        long bytes(Path directory) throws IOException;
    }

    private static final int RESERVED_AT_ONCE = 1 << 20;

    /** Attempts to delete a directory that a thread still writes into. */
    private static final int DELETIONS = 10;

    /** Those in use. What is left of them when the process exits, as on a signal, is cleared away then. */
    private static final Set<OutputDirectory> OPEN = ConcurrentHashMap.newKeySet();

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(OutputDirectory::abandonAll, "dpo4j-output"));
    }

    private final Path directory;
    private final OutputLock lock;
    private final FreeSpace free;

    private OutputDirectory(Path directory, OutputLock lock, FreeSpace free) {
        this.directory = directory;
        this.lock = lock;
        this.free = free;
    }

    /** As {@link #prepare(TrainOptions, RunListener, FreeSpace)}, on the disk that is there. */
    static OutputDirectory prepare(TrainOptions options, RunListener listener) {
        return prepare(options, listener, path -> Files.getFileStore(path).getUsableSpace());
    }

    /**
     * Makes the directory, takes its lock and clears away what a run that was killed has left half-written. Refuses a
     * directory that another run writes into, that holds a model which may not be overwritten, or that is not writable.
     */
    static OutputDirectory prepare(TrainOptions options, RunListener listener, FreeSpace free) {
        Path directory = options.output().directory();
        try {
            OutputFile.makeDirectory(directory);
            OutputLock lock = OutputLock.take(directory, listener);
            try {
                if (!options.output().overwriteOutputDir) {
                    requireNoModel(directory);
                }
                deleteTree(directory.resolve(WRITING));
                OutputDirectory output = new OutputDirectory(directory, lock, free);
                OPEN.add(output);
                return output;
            } catch (IOException | RuntimeException e) {
                lock.close();
                throw e;
            }
        } catch (IOException e) {
            throw new Dpo4jException(
                    "output_dir " + directory + " is not writable (" + FileErrors.reason(e) + "); choose another", e);
        }
    }

    private static void requireNoModel(Path directory) {
        if (WEIGHTS.stream().anyMatch(name -> Files.exists(directory.resolve(name)))) {
            throw new Dpo4jException("output_dir " + directory
                    + " holds a model already; choose another, or set overwrite_output_dir to replace it");
        }
    }

    /** Where lines of metrics go. */
    MetricsLog metrics(RunListener listener) {
        return new MetricsLog(directory.resolve(METRICS), listener);
    }

    /**
     * Refuses a run whose model and metrics have no space on the disk. The files are written beside those that they
     * replace, which therefore count as taken. Gives a line for the run header.
     */
    String checkSpace(Model model, Path tokenizer, long linesOfMetrics) {
        long ofModel = modelBytes(model);
        long ofTokenizer = tokenizerBytes(tokenizer);
        long ofMetrics = blocks(MetricsLog.MAX_LINE_BYTES * linesOfMetrics);
        long needed = ofModel + ofTokenizer + ofMetrics;
        long available = freeBytes();
        String parts = "model " + MemoryPlan.inUnits(ofModel) + ", tokenizer " + MemoryPlan.inUnits(ofTokenizer)
                + ", metrics " + MemoryPlan.inUnits(ofMetrics);
        if (needed > available) {
            throw new Dpo4jException("output_dir " + directory + " takes " + MemoryPlan.inUnits(needed) + " ("
                    + parts + "), and " + MemoryPlan.inUnits(available)
                    + " of its disk are free; free space, or choose an output_dir on another disk");
        }
        return MemoryPlan.inUnits(needed) + " at most (" + parts + "), " + MemoryPlan.inUnits(available) + " are free";
    }

    /**
     * Writes a file as large as what {@link #save} writes, which deletes it first: what fills the disk while the run
     * trains leaves that space. Its bytes are random, since some file systems compress.
     */
    void reserve(Model model, Path tokenizer) {
        Path writing = directory.resolve(WRITING);
        try {
            Files.createDirectory(writing);
            try (FileChannel channel = FileChannel.open(
                    writing.resolve("reserved"), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                byte[] random = new byte[RESERVED_AT_ONCE];
                new Random(0).nextBytes(random);
                ByteBuffer bytes = ByteBuffer.wrap(random);
                for (long left = modelBytes(model) + tokenizerBytes(tokenizer); left > 0; ) {
                    bytes.clear().limit((int) Math.min(RESERVED_AT_ONCE, left));
                    left -= channel.write(bytes);
                }
            }
        } catch (IOException e) {
            throw unsaved(model, writing, FileErrors.reason(e), e);
        }
    }

    private static long tokenizerBytes(Path tokenizer) {
        return TokenizerFiles.find(tokenizer).stream()
                .mapToLong(file -> blocks(bytes(tokenizer.resolve(file))))
                .sum();
    }

    private static long modelBytes(Model model) {
        return model.savedBytes(model.parameters().dtype()).stream()
                .mapToLong(OutputDirectory::blocks)
                .sum();
    }

    private static long blocks(long bytes) {
        return (bytes + BLOCK - 1) / BLOCK * BLOCK;
    }

    private static long bytes(Path file) {
        try {
            return Files.size(file);
        } catch (IOException e) {
            throw new Dpo4jException(
                    file + " cannot be read (" + FileErrors.reason(e) + "); download the model again", e);
        }
    }

    private long freeBytes() {
        try {
            return free.bytes(directory);
        } catch (IOException e) {
            throw new Dpo4jException(
                    "output_dir " + directory + " does not say how much space it has (" + FileErrors.reason(e)
                            + "); choose another",
                    e);
        }
    }

    /**
     * Writes the model and copies the tokenizer of the directory it came from: all of it beside its place first, then
     * renamed, weights last. When this throws, the model that was there is there still, and nothing half-written.
     */
    void save(Model model, Path tokenizer) {
        Path writing = directory.resolve(WRITING);
        try {
            deleteTree(writing);
            Files.createDirectory(writing);
            TokenizerFiles.copy(tokenizer, writing);
            model.save(writing, model.parameters().dtype());
            moveAll(writing);
        } catch (IOException e) {
            throw unsaved(model, writing, FileErrors.reason(e), e);
        } catch (Dpo4jException e) {
            throw unsaved(model, writing, e.getMessage(), e);
        }
    }

    private Dpo4jException unsaved(Model model, Path writing, @Nullable String reason, Exception cause) {
        try {
            deleteTree(writing);
        } catch (IOException e) {
            cause.addSuppressed(e);
        }
        boolean isDenied = cause instanceof AccessDeniedException || cause.getCause() instanceof AccessDeniedException;
        return new Dpo4jException(
                "the model cannot be written to output_dir " + directory + " (" + reason + "); "
                        + (isDenied
                                ? "make the directory writable for this user, or choose another"
                                : "it takes " + MemoryPlan.inUnits(modelBytes(model)) + " and "
                                        + MemoryPlan.inUnits(freeBytes()) + " are free"),
                cause);
    }

    /** Its path, as the user gave it. */
    @Override
    public String toString() {
        return directory.toString();
    }

    @Override
    public void close() {
        if (!OPEN.remove(this)) {
            return; // it was abandoned, and another process may have the lock
        }
        try (lock) {
            deleteTree(directory.resolve(WRITING)); // what was reserved for a save that did not come
        } catch (IOException | UncheckedIOException e) {
            // it stays in nobody's way: the next run clears it away
        }
    }

    /** Clears away what every run of this process has half-written, and gives the locks back: the process ends. */
    static void abandonAll() {
        OPEN.forEach(OutputDirectory::abandon);
    }

    private void abandon() {
        for (int attempt = 0; attempt < DELETIONS; attempt++) {
            try {
                deleteTree(directory.resolve(WRITING));
                break;
            } catch (IOException | UncheckedIOException e) {
                // a thread has written a file since; what stays is cleared away by the next run
            }
        }
        try {
            close();
        } catch (Dpo4jException e) {
            // the file stays, and nobody has it locked: it is in no run's way
        }
    }

    private void moveAll(Path from) throws IOException {
        List<Path> files;
        try (Stream<Path> listed = Files.list(from)) {
            files = listed.sorted(Comparator.comparing(OutputDirectory::isWeights))
                    .toList();
        }
        for (Path file : files) {
            Path place = directory.resolve(file.getFileName());
            if (Files.isDirectory(file) && Files.isDirectory(place)) {
                deleteTree(place); // a rename replaces files and empty directories alone
            }
            Files.move(file, place, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        }
        Files.delete(from);
        if (files.stream().noneMatch(file -> file.endsWith(INDEX))) {
            Files.deleteIfExists(directory.resolve(INDEX));
        }
    }

    private static boolean isWeights(Path file) {
        return file.getFileName().toString().startsWith("model.safetensors");
    }

    private static void deleteTree(Path directory) throws IOException {
        if (!Files.exists(directory, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        List<Path> inside;
        try (Stream<Path> files = Files.walk(directory)) {
            inside = files.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path file : inside) {
            Files.delete(file);
        }
    }
}
