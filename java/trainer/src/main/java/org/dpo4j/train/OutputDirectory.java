package org.dpo4j.train;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.dpo4j.data.RejectedRows;
import org.dpo4j.io.DirectoryFiles;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.OutputFile;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.CompleteModel;
import org.dpo4j.model.Model;
import org.dpo4j.model.SaveFormat;
import org.dpo4j.report.MetricsLog;
import org.dpo4j.report.RunListener;
import org.dpo4j.train.checkpoint.CheckpointDirectory;
import org.jspecify.annotations.Nullable;

/**
 * The directory of a trained model. It is checked before training and written after it, and never holds an incomplete
 * model. One run at a time may use it.
 */
final class OutputDirectory implements AutoCloseable {
    /** Files of a save that is not complete. */
    private static final String WRITING = ".writing";
    /** Files of a complete save that are being moved into the directory. */
    private static final String COMPLETE = ".complete";

    /** The average of the weights, as a model. */
    private static final String AVERAGE = "ema";
    /** An average whose save is not complete. */
    private static final String WRITING_AVERAGE = ".writing-ema";

    /** The disk allocates whole blocks. */
    private static final long BLOCK = 4096;

    private static final String METRICS = "metrics.jsonl";

    /** Free bytes of the disk that holds a directory. */
    @FunctionalInterface
    interface FreeSpace {
        long bytes(Path directory) throws IOException;
    }

    /** Attempts to delete a directory that a thread still writes into. */
    private static final int MAX_DELETIONS = 10;

    /**
     * Directories in use. If the process exits, for example on a signal, a shutdown hook deletes their incomplete
     * files.
     */
    private static final Set<OutputDirectory> OPEN = ConcurrentHashMap.newKeySet();

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(OutputDirectory::abandonAll, "dpo4j-output"));
    }

    private final Path directory;
    private final SaveFormat format;
    private final boolean hasAverage;
    private final OutputLock lock;
    private final FreeSpace free;

    private OutputDirectory(Path directory, TrainOptions options, OutputLock lock, FreeSpace free) {
        this.directory = directory;
        this.format = options.output().saveFormat();
        this.hasAverage = options.optimizer().useEma;
        this.lock = lock;
        this.free = free;
    }

    /** As {@link #prepare(TrainOptions, RunListener, FreeSpace)}, with the free space that the file system reports. */
    static OutputDirectory prepare(TrainOptions options, RunListener listener) {
        return prepare(options, listener, path -> Files.getFileStore(path).getUsableSpace());
    }

    /**
     * Creates the directory if needed and locks it. Deletes incomplete files of a killed run, or completes its save if
     * only names were left to be changed. Throws if another run
     * uses the directory, if it holds a model that may not be overwritten, or if it is not writable.
     */
    static OutputDirectory prepare(TrainOptions options, RunListener listener, FreeSpace free) {
        Path directory = options.output().directory();
        try {
            OutputFile.makeDirectory(directory);
            OutputLock lock = OutputLock.take(directory, listener);
            try {
                if (Files.isDirectory(directory.resolve(COMPLETE))) {
                    CompleteModel.move(directory.resolve(COMPLETE), directory);
                }
                if (!options.output().overwriteOutputDir
                        && !options.checkpoint().isResumed()) {
                    requireNoCheckpoint(directory);
                    requireNoModel(directory);
                    if (options.optimizer().useEma) {
                        requireNoModel(directory.resolve(AVERAGE));
                    }
                }
                DirectoryFiles.deleteTree(directory.resolve(WRITING));
                DirectoryFiles.deleteTree(directory.resolve(WRITING_AVERAGE));
                CheckpointDirectory.deleteIncomplete(directory);
                OutputDirectory output = new OutputDirectory(directory, options, lock, free);
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
        if (CompleteModel.isIn(directory)) {
            throw new Dpo4jException("output_dir " + directory
                    + " holds a model already; choose another, or set overwrite_output_dir to replace it");
        }
    }

    /** Opens {@code rejected_rows.jsonl}. */
    RejectedRows rejectedRows() {
        return new RejectedRows(directory.resolve("rejected_rows.jsonl"));
    }

    private static void requireNoCheckpoint(Path directory) {
        List<CheckpointDirectory> checkpoints = CheckpointDirectory.list(directory);
        if (!checkpoints.isEmpty()) {
            throw new Dpo4jException("output_dir " + directory + " holds "
                    + checkpoints.get(checkpoints.size() - 1).path().getFileName()
                    + " of an earlier run; go on from it with resume_from_checkpoint true, choose another directory, or"
                    + " set overwrite_output_dir to start again");
        }
    }

    /** Opens {@code metrics.jsonl}. */
    MetricsLog metrics(RunListener listener) {
        return new MetricsLog(directory.resolve(METRICS), listener);
    }

    /**
     * Throws if model and metrics do not fit on the disk. New files are written before old ones are deleted, so the
     * space of old files does not count as free. Returns a line for the run header.
     */
    String checkSpace(Model model, Path tokenizer, long linesOfMetrics, long checkpoints) {
        long modelSize = modelBytes(model, format);
        long tokenizerSize = tokenizerBytes(tokenizer);
        long metricsSize = blocks(MetricsLog.MAX_LINE_BYTES * linesOfMetrics);
        long averageSize = hasAverage ? modelSize + tokenizerSize : 0;
        long needed = modelSize + tokenizerSize + averageSize + metricsSize + checkpoints;
        long available = freeBytes();
        String parts = "model " + MemoryPlan.inUnits(modelSize) + ", tokenizer " + MemoryPlan.inUnits(tokenizerSize)
                + (hasAverage ? ", ema " + MemoryPlan.inUnits(averageSize) : "")
                + ", metrics " + MemoryPlan.inUnits(metricsSize)
                + (checkpoints == 0 ? "" : ", checkpoints " + MemoryPlan.inUnits(checkpoints));
        if (needed > available) {
            throw new Dpo4jException("output_dir " + directory + " needs " + MemoryPlan.inUnits(needed) + " ("
                    + parts + "), but " + MemoryPlan.inUnits(available)
                    + " of its disk are free; free space, or choose an output_dir on another disk"
                    + (checkpoints == 0 ? "" : ", or keep fewer checkpoints (save_total_limit)"));
        }
        return "at most " + MemoryPlan.inUnits(needed) + " (" + parts + "), " + MemoryPlan.inUnits(available)
                + " are free";
    }

    /**
     * Reserves the disk space of {@link #save} by a file of that size, which {@code save} deletes before it writes. So
     * the space stays free for the model even if the disk fills up during training.
     */
    void reserve(Model model, Path tokenizer) {
        Path writing = directory.resolve(WRITING);
        try {
            Files.createDirectory(writing);
            ReservedFile.make(writing.resolve("reserved"), modelBytes(model, format) + tokenizerBytes(tokenizer));
        } catch (IOException e) {
            throw unsaved(modelBytes(model, format), writing, FileErrors.reason(e), e);
        }
    }

    private static long tokenizerBytes(Path tokenizer) {
        return TokenizerFiles.find(tokenizer).stream()
                .mapToLong(file -> blocks(bytes(tokenizer.resolve(file))))
                .sum();
    }

    private static long modelBytes(Model model, SaveFormat format) {
        return model.savedBytes(format).stream()
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
                    "the free space of output_dir " + directory + " cannot be read (" + FileErrors.reason(e)
                            + "); choose another",
                    e);
        }
    }

    /** How the model is to be saved. */
    SaveFormat format() {
        return format;
    }

    /** As the other method, in the format of the options. */
    void save(Model model, Path tokenizer) {
        save(model, tokenizer, format);
    }

    /**
     * Writes the model and copies the tokenizer's files from {@code tokenizer}: first into a temporary directory, then
     * renamed into place, weights last. If this throws while writing, an earlier model is unchanged and nothing
     * incomplete is left. If the process is killed between two renames, the next run completes them.
     */
    void save(Model model, Path tokenizer, SaveFormat format) {
        Path writing = directory.resolve(WRITING);
        try {
            Path complete = directory.resolve(COMPLETE);
            DirectoryFiles.deleteTree(writing);
            DirectoryFiles.deleteTree(complete);
            Files.createDirectory(writing);
            TokenizerFiles.copy(tokenizer, writing);
            model.writeFiles(writing, format);
            DirectoryFiles.forceTree(writing);
            Files.move(writing, complete, StandardCopyOption.ATOMIC_MOVE);
            DirectoryFiles.force(directory);
            CompleteModel.move(complete, directory);
        } catch (IOException e) {
            throw unsaved(modelBytes(model, format), writing, FileErrors.reason(e), e);
        } catch (Dpo4jException e) {
            throw unsaved(modelBytes(model, format), writing, e.getMessage(), e);
        }
    }

    /** Writes the model as the average of the weights, into a directory of its own, which appears when it is complete. */
    void saveAverage(Model model, Path tokenizer, SaveFormat format) {
        Path writing = directory.resolve(WRITING_AVERAGE);
        try {
            DirectoryFiles.deleteTree(writing);
            Files.createDirectory(writing);
            TokenizerFiles.copy(tokenizer, writing);
            model.writeFiles(writing, format);
            DirectoryFiles.forceTree(writing);
            deleteAverage(directory);
            Files.move(writing, directory.resolve(AVERAGE), StandardCopyOption.ATOMIC_MOVE);
            DirectoryFiles.force(directory);
        } catch (IOException e) {
            throw unsaved(modelBytes(model, format), writing, FileErrors.reason(e), e);
        } catch (Dpo4jException e) {
            throw unsaved(modelBytes(model, format), writing, e.getMessage(), e);
        }
    }

    /** Deletes the average of an earlier run. */
    static void deleteAverage(Path directory) {
        Path average = directory.resolve(AVERAGE);
        try {
            if (CompleteModel.isIn(average)) {
                DirectoryFiles.deleteTree(average);
            }
        } catch (IOException e) {
            throw new Dpo4jException(average + " cannot be deleted (" + FileErrors.reason(e) + "); delete it", e);
        }
    }

    private Dpo4jException unsaved(long modelBytes, Path writing, @Nullable String reason, Exception cause) {
        try {
            DirectoryFiles.deleteTree(writing);
        } catch (IOException e) {
            cause.addSuppressed(e);
        }
        boolean isDenied = cause instanceof AccessDeniedException || cause.getCause() instanceof AccessDeniedException;
        return new Dpo4jException(
                "the model cannot be written to output_dir " + directory + " (" + reason + "); "
                        + (isDenied
                                ? "make the directory writable for this user, or choose another"
                                : space(modelBytes, reason)),
                cause);
    }

    private String space(long modelBytes, @Nullable String reason) {
        String needed = "it needs " + MemoryPlan.inUnits(modelBytes);
        boolean isFileLimit = reason != null && reason.contains("File too large"); // strerror(EFBIG)
        return isFileLimit
                ? needed + "; allow larger files (ulimit -f), or set a smaller max_shard_size"
                : needed + ", and " + MemoryPlan.inUnits(freeBytes()) + " are free";
    }

    /** The path as the user gave it. */
    @Override
    public String toString() {
        return directory.toString();
    }

    @Override
    public void close() {
        if (!OPEN.remove(this)) {
            return; // abandon() has closed it, and another process may hold the lock
        }
        try (lock) {
            DirectoryFiles.deleteTree(directory.resolve(WRITING)); // the reserved file, if nothing was saved
        } catch (IOException | UncheckedIOException e) {
            // the next run deletes it
        }
    }

    /** Deletes the incomplete files of all runs of this process and releases their locks, when the process ends. */
    static void abandonAll() {
        OPEN.forEach(OutputDirectory::abandon);
    }

    private void abandon() {
        for (int attempt = 0; attempt < MAX_DELETIONS; attempt++) {
            try {
                DirectoryFiles.deleteTree(directory.resolve(WRITING));
                CheckpointDirectory.abandon(directory);
                break;
            } catch (IOException | UncheckedIOException e) {
                // a thread has written another file meanwhile; the next run deletes what remains
            }
        }
        try {
            close();
        } catch (Dpo4jException e) {
            // the lock file remains but is not locked, so it hinders no run
        }
    }
}
