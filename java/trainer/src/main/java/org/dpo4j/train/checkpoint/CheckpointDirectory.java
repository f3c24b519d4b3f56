package org.dpo4j.train.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.dpo4j.io.DirectoryFiles;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.Sha256;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * A directory {@code checkpoint-STEP}. A run writes it in four steps: all files, under a temporary name of the directory
 * ({@link #begin}); then {@code manifest.json}, with the size and the SHA-256 of each file; then it forces all of them to
 * the disk; then it renames the directory ({@link Unfinished#complete}). {@link #fault} compares the files with the
 * manifest, so an incomplete or altered checkpoint is never restored.
 *
 * @param path the directory
 * @param step the optimizer steps that the run had done
 */
public record CheckpointDirectory(Path path, int step) {
    /** Numbers of the run: steps done, lines of metrics, options. */
    public static final String STATE = "trainer_state.json";
    /** Arrays of the optimizer and the objective. */
    public static final String ARRAYS = "optimizer.safetensors";

    private static final String MANIFEST = "manifest.json";
    private static final int FORMAT = 1;
    private static final Pattern NAME = Pattern.compile("checkpoint-([0-9]{1,9})");
    private static final String WRITING = ".checkpoint.writing";
    private static final String DELETING = ".checkpoint.deleting";

    /** Held while names of checkpoints change, because a process that ends deletes what is incomplete on another thread. */
    private static final Object NAMES = new Object();

    /** Output directories in which no checkpoint changes any more. Guarded by {@link #NAMES}. */
    private static final Set<Path> ABANDONED = new HashSet<>();

    /** Writes the files of a checkpoint into an empty directory. It need not force them to the disk. */
    @FunctionalInterface
    public interface Content {
        void writeTo(Path directory) throws IOException;
    }

    /** A checkpoint whose files are written but may be in the memory of the operating system only. */
    public static final class Unfinished {
        private final Path writing;
        private final CheckpointDirectory checkpoint;

        private Unfinished(Path writing, CheckpointDirectory checkpoint) {
            this.writing = writing;
            this.checkpoint = checkpoint;
        }

        /**
         * Writes the manifest, forces all files to the disk, and gives the checkpoint its name, in place of one of the same
         * step. It reads only the files, so another thread may call it. If this throws, nothing incomplete is left and other
         * checkpoints are unchanged.
         */
        public void complete() {
            checkpoint.writing(() -> {
                try {
                    JsonFile.write(writing.resolve(MANIFEST), manifest(writing));
                    DirectoryFiles.forceTree(writing);
                    synchronized (NAMES) {
                        checkpoint.requireNotAbandoned();
                        deleteAtOnce(checkpoint.path);
                        Files.move(writing, checkpoint.path, StandardCopyOption.ATOMIC_MOVE);
                    }
                    DirectoryFiles.force(writing.resolveSibling(""));
                } finally {
                    DirectoryFiles.deleteTree(writing);
                }
            });
        }
    }

    /** Work on files. */
    @FunctionalInterface
    private interface FileWork {
        void run() throws IOException;
    }

    /**
     * Writes the files of a checkpoint of {@code step} into {@code output}, under a temporary name. One checkpoint of an
     * output directory may be unfinished at a time. If this throws, nothing incomplete is left and other checkpoints are
     * unchanged.
     */
    public static Unfinished begin(Path output, int step, Content content) {
        Path writing = output.resolve(WRITING);
        CheckpointDirectory checkpoint = in(output, step);
        checkpoint.writing(() -> {
            synchronized (NAMES) {
                checkpoint.requireNotAbandoned();
                DirectoryFiles.deleteTree(writing);
                Files.createDirectory(writing);
            }
            try {
                content.writeTo(writing);
            } catch (IOException | RuntimeException | Error e) {
                DirectoryFiles.deleteTree(writing);
                throw e;
            }
        });
        return new Unfinished(writing, checkpoint);
    }

    /** Runs work on the files of this checkpoint. Errors name it. */
    private void writing(FileWork work) {
        try {
            work.run();
        } catch (IOException e) {
            throw new Dpo4jException(path + " cannot be written (" + FileErrors.reason(e) + ")", e);
        } catch (Dpo4jException e) {
            String reason = e.getCause() instanceof IOException cause ? FileErrors.reason(cause) : e.getMessage();
            throw new Dpo4jException(path + " cannot be written (" + reason + ")", e);
        }
    }

    /** Deletes what a killed run left of checkpoints that it was writing or deleting. */
    public static void deleteIncomplete(Path output) throws IOException {
        synchronized (NAMES) {
            ABANDONED.remove(output);
            deleteTemporary(output);
        }
    }

    /**
     * Deletes what is incomplete, for a process that ends while other threads still write checkpoints. From then on they
     * can neither begin, complete nor delete one.
     */
    public static void abandon(Path output) throws IOException {
        synchronized (NAMES) {
            ABANDONED.add(output);
            deleteTemporary(output);
        }
    }

    private static void deleteTemporary(Path output) throws IOException {
        DirectoryFiles.deleteTree(output.resolve(WRITING));
        DirectoryFiles.deleteTree(output.resolve(DELETING));
    }

    private void requireNotAbandoned() throws IOException {
        if (ABANDONED.contains(path.resolveSibling(""))) {
            throw new IOException("the process ends");
        }
    }

    /** Deletes a directory under another name, so that no part of it remains under its own if the process is killed. */
    private static void deleteAtOnce(Path path) throws IOException {
        if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            Path deleting = path.resolveSibling(DELETING);
            DirectoryFiles.deleteTree(deleting);
            Files.move(path, deleting, StandardCopyOption.ATOMIC_MOVE);
            DirectoryFiles.deleteTree(deleting);
        }
    }

    /** The checkpoints of an output directory, by step. They are not checked. */
    public static List<CheckpointDirectory> list(Path output) {
        if (!Files.isDirectory(output)) {
            return List.of();
        }
        List<CheckpointDirectory> found = new ArrayList<>();
        try (Stream<Path> files = Files.list(output)) {
            files.filter(Files::isDirectory).forEach(path -> {
                CheckpointDirectory named = named(path);
                if (named != null) {
                    found.add(named);
                }
            });
        } catch (IOException e) {
            throw new Dpo4jException(output + " cannot be read (" + FileErrors.reason(e) + ")", e);
        }
        found.sort(Comparator.comparingInt(CheckpointDirectory::step));
        return found;
    }

    /** The checkpoint of a step in an output directory, whether it exists or not. */
    public static CheckpointDirectory in(Path output, int step) {
        return new CheckpointDirectory(output.resolve("checkpoint-" + step), step);
    }

    /** A checkpoint by its path. Throws if the name is not {@code checkpoint-STEP}. */
    public static CheckpointDirectory at(Path path) {
        CheckpointDirectory named = Files.isDirectory(path) ? named(path) : null;
        if (named == null) {
            throw new Dpo4jException(
                    path + " is not a directory checkpoint-STEP; name one, or true for the newest of output_dir");
        }
        return named;
    }

    private static @Nullable CheckpointDirectory named(Path path) {
        var name = NAME.matcher(path.toAbsolutePath().normalize().getFileName().toString());
        return name.matches() ? new CheckpointDirectory(path, Integer.parseInt(name.group(1))) : null;
    }

    /** Deletes the directory. */
    public void delete() {
        try {
            synchronized (NAMES) {
                requireNotAbandoned();
                deleteAtOnce(path);
            }
        } catch (IOException e) {
            throw new Dpo4jException(path + " cannot be deleted (" + FileErrors.reason(e) + "); delete it by hand", e);
        }
    }

    /** What is wrong with the files, compared with the manifest; null if nothing is. Reads all of them. */
    public @Nullable String fault() {
        Path file = path.resolve(MANIFEST);
        if (!Files.exists(file)) {
            return path + " has no " + MANIFEST + ", so it was not written completely";
        }
        try {
            ObjectNode manifest = JsonFile.read(file, Files.readAllBytes(file));
            if (manifest.path("format").asInt() != FORMAT) {
                return file + " has the format " + manifest.path("format") + "; this version of dpo4j reads " + FORMAT;
            }
            if (manifest.path("files").isEmpty()) { // also if it is absent, or no list
                return file + " is damaged, so the files of the checkpoint cannot be checked";
            }
            for (JsonNode entry : manifest.path("files")) {
                Path named = path.resolve(entry.path("name").asText());
                if (!Files.isRegularFile(named, LinkOption.NOFOLLOW_LINKS)) {
                    return named + " is missing";
                }
                long bytes = entry.path("bytes").asLong(-1);
                if (Files.size(named) != bytes) {
                    return named + " has " + Files.size(named) + " bytes, not the " + bytes + " that were written";
                }
                if (!Sha256.hex(named).equals(entry.path("sha256").asText())) {
                    return named + " is not as it was written (its SHA-256 differs from " + MANIFEST + ")";
                }
            }
            return null;
        } catch (Dpo4jException e) {
            return file + " is damaged, so the files of the checkpoint cannot be checked";
        } catch (IOException e) {
            return path + " cannot be read (" + FileErrors.reason(e) + ")";
        }
    }

    private static ObjectNode manifest(Path directory) throws IOException {
        List<Path> files;
        try (Stream<Path> all = Files.walk(directory)) {
            files = all.filter(Files::isRegularFile).sorted().toList();
        }
        ObjectNode manifest = JsonFile.object();
        manifest.put("format", FORMAT);
        ArrayNode entries = manifest.putArray("files");
        for (Path file : files) {
            entries.addObject()
                    .put("name", directory.relativize(file).toString())
                    .put("bytes", Files.size(file))
                    .put("sha256", Sha256.hex(file));
        }
        return manifest;
    }

    @Override
    public String toString() {
        return path.toString();
    }
}
