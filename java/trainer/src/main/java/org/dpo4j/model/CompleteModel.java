package org.dpo4j.model;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.dpo4j.io.DirectoryFiles;
import org.dpo4j.io.JsonFile;

/** A model that was written completely into a directory of its own, and moves into the directory that users name. */
public final class CompleteModel {
    static final String ONE = "model.safetensors";
    static final String INDEX = "model.safetensors.index.json";

    private static final Pattern SHARD = Pattern.compile("model-[0-9]{5}-of-[0-9]{5}\\.safetensors");

    private CompleteModel() {}

    /** Whether a directory holds weights under a name that loaders look for. */
    public static boolean isIn(Path directory) {
        return exists(directory.resolve(ONE)) || exists(directory.resolve(INDEX));
    }

    /**
     * Moves the model in {@code from}, which is then deleted, into {@code directory}, in place of an earlier one. At no
     * time is there an index that names an absent shard, or shards of two models: an old index is deleted before the
     * first new shard is moved, and the new one is moved last. If this does not end, a second call completes it.
     */
    public static void move(Path from, Path directory) throws IOException {
        List<Path> files = list(from);
        for (Path file : files) {
            if (!isWeights(file)) {
                DirectoryFiles.moveInto(directory, file);
            }
        }
        if (exists(from.resolve(INDEX))) {
            Files.deleteIfExists(directory.resolve(INDEX));
            for (Path file : files) {
                if (isShard(file)) {
                    DirectoryFiles.moveInto(directory, file);
                }
            }
            DirectoryFiles.force(directory);
            Files.deleteIfExists(directory.resolve(ONE)); // loaders prefer it to an index
            DirectoryFiles.moveInto(directory, from.resolve(INDEX));
        } else if (exists(from.resolve(ONE))) {
            DirectoryFiles.moveInto(directory, from.resolve(ONE));
        }
        if (exists(directory.resolve(ONE))) {
            Files.deleteIfExists(directory.resolve(INDEX));
        }
        deleteOtherShards(directory);
        DirectoryFiles.force(directory);
        Files.delete(from);
    }

    private static void deleteOtherShards(Path directory) throws IOException {
        Set<String> named = new HashSet<>();
        if (exists(directory.resolve(INDEX))) {
            JsonFile.read(directory.resolve(INDEX))
                    .path("weight_map")
                    .forEach(shard -> named.add(shard.asText()));
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
