package org.dpo4j.model;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.dpo4j.io.DirectoryFiles;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.OutputFile;
import org.dpo4j.kernels.Dpo4jException;

/** A model that was written completely into a directory of its own, and moves into the directory that users name. */
public final class CompleteModel {
    static final String ONE = "model.safetensors";
    static final String INDEX = "model.safetensors.index.json";

    private static final Pattern SHARD = Pattern.compile("model-[0-9]{5}-of-[0-9]{5}\\.safetensors");

    /** Writes files into a directory that nothing reads yet. */
    @FunctionalInterface
    public interface MoreFiles {
        void write(Path directory) throws IOException;
    }

    private CompleteModel() {}

    /** Whether a directory holds weights of a model or an adapter, under a name that loaders look for. */
    public static boolean isIn(Path directory) {
        return exists(directory.resolve(ONE))
                || exists(directory.resolve(INDEX))
                || exists(directory.resolve(AdapterFiles.FILE));
    }

    /**
     * Writes a model into a temporary directory in {@code directory}, then moves it into place. Creates the directory if it does
     * not exist, and deletes it again if this throws.
     *
     * @param bytes that are written, for the error if the disk is full
     */
    static void write(Path directory, long bytes, MoreFiles files) {
        Path writing = directory.resolve(".saving");
        boolean isNew = !exists(directory);
        try {
            OutputFile.makeDirectory(directory);
            try {
                DirectoryFiles.deleteTree(writing);
                Files.createDirectory(writing);
                files.write(writing);
                DirectoryFiles.forceTree(writing);
                move(writing, directory);
            } finally {
                DirectoryFiles.deleteTree(writing);
            }
        } catch (IOException e) {
            throw unwritten(directory, isNew, bytes, e, e);
        } catch (Dpo4jException e) {
            boolean isNamed = String.valueOf(e.getMessage()).contains(writing.toString());
            if (isNamed && e.getCause() instanceof IOException cause) {
                throw unwritten(directory, isNew, bytes, cause, e);
            }
            deleteNew(directory, isNew, e);
            throw e;
        } catch (RuntimeException | Error e) {
            deleteNew(directory, isNew, e);
            throw e;
        }
    }

    private static void deleteNew(Path directory, boolean isNew, Throwable reason) {
        if (isNew) {
            DirectoryFiles.deleteEmpty(directory, reason);
        }
    }

    private static Dpo4jException unwritten(
            Path directory, boolean isNew, long bytes, IOException reason, Exception cause) {
        deleteNew(directory, isNew, cause);
        return new Dpo4jException(
                directory + " cannot be written (" + FileErrors.reason(reason) + "); "
                        + FileErrors.space(reason, "the model", bytes, directory) + "choose another directory",
                cause);
    }

    /**
     * Moves the model in {@code from}, which is then deleted, into {@code directory}, in place of an earlier one. At no
     * time is there an index that names an absent shard, or shards of two models: an old index is deleted before the
     * first new shard is moved, and the new one is moved last. If this does not end, a second call completes it.
     */
    public static void move(Path from, Path directory) throws IOException {
        for (Step step : steps(from, directory)) {
            step.run();
        }
    }

    /** A change of names in the directory. */
    @FunctionalInterface
    interface Step {
        void run() throws IOException;
    }

    /** The steps of {@link #move}, in order. */
    static List<Step> steps(Path from, Path directory) throws IOException {
        List<Step> steps = new ArrayList<>();
        List<Path> files = list(from);
        files.stream()
                .filter(file -> !isWeights(file))
                .forEach(file -> steps.add(() -> DirectoryFiles.moveInto(directory, file)));
        if (exists(from.resolve(INDEX))) {
            steps.add(() -> Files.deleteIfExists(directory.resolve(INDEX)));
            files.stream()
                    .filter(CompleteModel::isShard)
                    .forEach(file -> steps.add(() -> DirectoryFiles.moveInto(directory, file)));
            steps.add(() -> DirectoryFiles.force(directory));
            steps.add(() -> Files.deleteIfExists(directory.resolve(ONE))); // loaders prefer it to an index
            steps.add(() -> DirectoryFiles.moveInto(directory, from.resolve(INDEX)));
        } else if (exists(from.resolve(ONE))) {
            steps.add(() -> DirectoryFiles.moveInto(directory, from.resolve(ONE)));
        }
        if (exists(from.resolve(AdapterFiles.FILE))) {
            steps.add(() -> deleteModel(directory));
        } else {
            steps.add(() -> deleteAdapter(directory));
        }
        steps.add(() -> deleteOtherWeights(directory));
        steps.add(() -> DirectoryFiles.force(directory));
        steps.add(() -> Files.delete(from));
        return steps;
    }

    /** Deletes the files of an earlier model, which the new adapter is not part of. */
    private static void deleteModel(Path directory) throws IOException {
        Files.deleteIfExists(directory.resolve(ONE));
        Files.deleteIfExists(directory.resolve(INDEX));
        Files.deleteIfExists(directory.resolve(ModelJson.CONFIG));
        Files.deleteIfExists(directory.resolve(ModelJson.GENERATION_CONFIG));
    }

    /** Deletes an earlier adapter, with which the new model would be loaded as its base model. */
    private static void deleteAdapter(Path directory) throws IOException {
        Files.deleteIfExists(directory.resolve(AdapterConfigJson.FILE));
        Files.deleteIfExists(directory.resolve(AdapterFiles.FILE));
    }

    /**
     * Deletes the files of an earlier model that the new one did not replace. If the new model is a single file, these are
     * the index and all shards; otherwise they are the shards that the new index does not name.
     */
    private static void deleteOtherWeights(Path directory) throws IOException {
        if (exists(directory.resolve(ONE))) {
            Files.deleteIfExists(directory.resolve(INDEX));
        }
        Set<String> named = new HashSet<>();
        if (exists(directory.resolve(INDEX))) {
            JsonFile.read(directory.resolve(INDEX)).path("weight_map").forEach(shard -> named.add(shard.asText()));
        }
        for (Path file : list(directory)) {
            if (isShard(file) && !named.contains(file.getFileName().toString())) {
                Files.delete(file);
            }
        }
    }

    private static boolean isWeights(Path file) {
        return file.endsWith(ONE) || file.endsWith(INDEX) || isShard(file);
    }

    private static boolean isShard(Path file) {
        return SHARD.matcher(file.getFileName().toString()).matches();
    }

    private static boolean exists(Path file) {
        return Files.exists(file, LinkOption.NOFOLLOW_LINKS);
    }

    private static List<Path> list(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.sorted().toList();
        }
    }
}
