package org.dpo4j.data.source;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.dpo4j.io.FileErrors;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The directory where huggingface_hub keeps what it has downloaded. A data set {@code owner/name} is in {@code
 * datasets--owner--name}: {@code refs/main} holds the name of a revision, {@code snapshots/REVISION} its files.
 */
final class HubCache {
    private final Path directory;

    /** {@code environment}: variables by name, which huggingface_hub/constants.py reads too. */
    HubCache(Map<String, String> environment) {
        this.directory = directory(environment);
    }

    private static Path directory(Map<String, String> environment) {
        String hub = environment.getOrDefault("HF_HUB_CACHE", environment.getOrDefault("HUGGINGFACE_HUB_CACHE", ""));
        if (!hub.isEmpty()) {
            return path(hub, environment);
        }
        String home = environment.getOrDefault("HF_HOME", "");
        if (home.isEmpty()) {
            String cache = environment.getOrDefault("XDG_CACHE_HOME", "");
            home = (cache.isEmpty() ? "~/.cache" : cache) + "/huggingface";
        }
        return path(home, environment).resolve("hub");
    }

    private static Path path(String text, Map<String, String> environment) {
        boolean isInHome = text.equals("~") || text.startsWith("~/");
        String home = environment.getOrDefault("HOME", System.getProperty("user.home", ""));
        return Path.of(isInHome ? home + text.substring(1) : text);
    }

    /** Whether the text may be the name of a data set: {@code owner/name} or {@code name}. */
    static boolean isName(String text) {
        return text.matches("([A-Za-z0-9][A-Za-z0-9_.-]*/)?[A-Za-z0-9][A-Za-z0-9_.-]*") && !text.contains("..");
    }

    /** The files of the revision {@code main} of a data set; null if the cache does not have the data set. */
    @Nullable
    Path snapshot(String name) {
        Path repository = directory.resolve("datasets--" + name.replace("/", "--"));
        if (!isName(name) || !Files.isDirectory(repository)) {
            return null;
        }
        Path reference = repository.resolve("refs").resolve("main");
        try {
            if (!Files.exists(reference)) {
                throw incomplete(name, repository, "it has no revision main, but " + revisions(repository));
            }
            Path snapshot = repository
                    .resolve("snapshots")
                    .resolve(Files.readString(reference).strip());
            if (!Files.isDirectory(snapshot)) {
                throw incomplete(name, repository, "the files of its revision main are missing");
            }
            return snapshot;
        } catch (IOException e) {
            throw new Dpo4jException(reference + " cannot be read (" + FileErrors.reason(e) + "); make it readable", e);
        }
    }

    private static String revisions(Path repository) throws IOException {
        Path snapshots = repository.resolve("snapshots");
        if (!Files.isDirectory(snapshots)) {
            return "no files";
        }
        try (Stream<Path> found = Files.list(snapshots)) {
            List<String> all = found.map(Path::toString).sorted().toList();
            return all.isEmpty() ? "no files" : String.join(", ", all) + ", which dataset_name can be";
        }
    }

    private static Dpo4jException incomplete(String name, Path repository, String what) {
        return new Dpo4jException("data set " + name + " in " + repository + " is not complete: " + what
                + "; download it: " + download(name));
    }

    /** The error for a name that is neither here nor in the cache. */
    Dpo4jException absent(String name) {
        return new Dpo4jException(name + " does not exist here, and " + directory + " has no data set of that name;"
                + " give a file or directory, or download the data set first: " + download(name));
    }

    private static String download(String name) {
        return "hf download " + name + " --repo-type dataset";
    }
}
