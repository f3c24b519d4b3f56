package org.dpo4j.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.OutputFile;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Model;

/** Where a trained model goes: checked before the long work, filled after it, never left half-written. */
final class OutputDirectory {
    private static final String INDEX = "model.safetensors.index.json";
    private static final List<String> WEIGHTS = List.of("model.safetensors", INDEX);

    private final Path directory;

    private OutputDirectory(Path directory) {
        this.directory = directory;
    }

    /**
     * Makes the directory and proves that files can be written there. Refuses one that holds a model unless that may be
     * overwritten.
     */
    static OutputDirectory prepare(Path directory, boolean overwrite) {
        if (!overwrite && WEIGHTS.stream().anyMatch(name -> Files.exists(directory.resolve(name)))) {
            throw new Dpo4jException("output_dir " + directory
                    + " holds a model already; choose another, or set overwrite_output_dir to replace it");
        }
        try {
            OutputFile.makeDirectory(directory);
            Files.delete(Files.createTempFile(directory, ".writable", null));
        } catch (IOException e) {
            throw new Dpo4jException(
                    "output_dir " + directory + " is not writable (" + FileErrors.reason(e) + "); choose another", e);
        }
        return new OutputDirectory(directory);
    }

    Path file(String name) {
        return directory.resolve(name);
    }

    /**
     * Writes the model and copies the tokenizer of the directory it came from: all of it beside its place first, then
     * renamed, weights last.
     */
    void save(Model model, Path tokenizer) {
        Path writing = directory.resolve(".writing");
        try {
            deleteTree(writing);
            Files.createDirectory(writing);
            TokenizerFiles.copy(tokenizer, writing);
            model.save(writing, model.parameters().dtype());
            moveAll(writing);
        } catch (IOException e) {
            throw new Dpo4jException(
                    "the model cannot be written to output_dir " + directory + " (" + FileErrors.reason(e)
                            + "); free space",
                    e);
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
        if (!Files.exists(directory)) {
            return;
        }
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.toList()) {
                if (Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)) {
                    deleteTree(file);
                } else {
                    Files.delete(file);
                }
            }
        }
        Files.delete(directory);
    }
}
