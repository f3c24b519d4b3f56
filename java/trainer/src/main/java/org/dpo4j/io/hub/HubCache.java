package org.dpo4j.io.hub;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.dpo4j.io.FileErrors;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The directory where huggingface_hub keeps what it has downloaded. Repository {@code owner/name} has a directory {@code
 * models--owner--name} or {@code datasets--owner--name}. In it {@code refs/REVISION} holds the hash of a commit, {@code
 * snapshots/COMMIT} its files, which are links to {@code blobs/TAG}, or without symbolic links the files themselves. {@code
 * trees/COMMIT.json} is a list of all its files, which huggingface_hub writes if it downloads all of them. It then
 * refuses a snapshot that lacks one, so dpo4j, which downloads only some, keeps its list in {@code .dpo4j/COMMIT.json}.
 */
public final class HubCache {
    private final Path directory;
    private final boolean isOffline;

    HubCache(Path directory, boolean isOffline) {
        this.directory = directory;
        this.isOffline = isOffline;
    }

    /** The cache that the environment of this process names. */
    public static HubCache local() {
        return in(System.getenv());
    }

    /** {@code environment}: variables by name, which huggingface_hub/constants.py reads too. */
    public static HubCache in(Map<String, String> environment) {
        return new HubCache(HubSettings.cache(environment), HubSettings.isOffline(environment));
    }

    Path directory() {
        return directory;
    }

    /**
     * The files of a repository at its revision; null if the cache does not have the repository. Throws if it has other
     * revisions only.
     */
    public @Nullable Path find(HubRepository repository) {
        Path home = home(repository);
        if (!Files.isDirectory(home)) {
            return null;
        }
        String commit = commit(repository);
        if (commit == null) {
            throw incomplete(
                    repository, "it has no revision " + repository.revision() + " (" + revisions(repository) + ")");
        }
        Path snapshot = snapshot(repository, commit);
        if (!Files.isDirectory(snapshot)) {
            throw incomplete(repository, "the files of its revision " + repository.revision() + " are missing");
        }
        return snapshot;
    }

    /** Whether the cache has files of the revision. */
    boolean hasSnapshot(HubRepository repository) {
        String commit = commit(repository);
        return commit != null && Files.isDirectory(snapshot(repository, commit));
    }

    /** The names of all files of a snapshot, also of those that are not on this disk; null if they are not known. */
    public @Nullable Collection<String> names(HubRepository repository) {
        String commit = commit(repository);
        HubListing listing = commit == null ? null : listing(repository, commit);
        return listing == null ? null : listing.files().keySet();
    }

    /** Throws if files of a snapshot that are needed are not on this disk. */
    public void requireFiles(HubRepository repository, Collection<String> names) {
        String commit = commit(repository);
        List<String> missing = names.stream()
                .filter(name -> commit == null
                        || !Files.exists(snapshot(repository, commit).resolve(name)))
                .sorted()
                .toList();
        if (!missing.isEmpty()) {
            String more = missing.size() == 1 ? "" : " and " + (missing.size() - 1) + " more";
            throw incomplete(repository, missing.get(0) + more + " is missing");
        }
    }

    /** The hash of the commit that a revision names here; null if it names none. */
    @Nullable
    String commit(HubRepository repository) {
        if (HubRepository.isCommit(repository.revision())) {
            return repository.revision();
        }
        Path reference = reference(repository);
        if (!Files.isRegularFile(reference)) {
            return Files.isDirectory(snapshot(repository, repository.revision())) ? repository.revision() : null;
        }
        try {
            String commit = Files.readString(reference).strip();
            if (!SafePath.isRelative(commit)) {
                throw incomplete(repository, reference + " does not hold the hash of a commit");
            }
            return commit;
        } catch (IOException e) {
            throw new Dpo4jException(reference + " cannot be read (" + FileErrors.reason(e) + "); make it readable", e);
        }
    }

    @Nullable
    HubListing listing(HubRepository repository, String commit) {
        HubListing listing = HubListing.find(home(repository).resolve("trees").resolve(commit + ".json"));
        return listing == null ? HubListing.find(listingFile(repository, commit)) : listing;
    }

    private Path home(HubRepository repository) {
        return directory.resolve(repository.directory());
    }

    /** The file that holds the hash of the commit of a revision. */
    Path reference(HubRepository repository) {
        return home(repository).resolve("refs").resolve(repository.revision());
    }

    /** The directory of the files of a commit. */
    Path snapshot(HubRepository repository, String commit) {
        return home(repository).resolve("snapshots").resolve(commit);
    }

    /** The file in which dpo4j lists the files of a commit. */
    Path listingFile(HubRepository repository, String commit) {
        return home(repository).resolve(".dpo4j").resolve(commit + ".json");
    }

    /** The directory of contents, by their tags. */
    Path blobs(HubRepository repository) {
        return home(repository).resolve("blobs");
    }

    /** The file that a process locks while it downloads a content. */
    Path lock(HubRepository repository, String tag) {
        return directory.resolve(".locks").resolve(repository.directory()).resolve(tag + ".lock");
    }

    private String revisions(HubRepository repository) {
        Path snapshots = home(repository).resolve("snapshots");
        if (!Files.isDirectory(snapshots)) {
            return "and no files";
        }
        try (Stream<Path> found = Files.list(snapshots)) {
            List<String> all = found.map(Path::toString).sorted().toList();
            return all.isEmpty()
                    ? "and no files"
                    : "other revisions, or a download that was stopped, are in " + String.join(", ", all);
        } catch (IOException e) {
            throw new Dpo4jException(
                    snapshots + " cannot be listed (" + FileErrors.reason(e) + "); make it readable", e);
        }
    }

    private Dpo4jException incomplete(HubRepository repository, String what) {
        return new Dpo4jException(
                repository + " in " + home(repository) + " is not complete: " + what + "; " + remedy(repository));
    }

    /** The error for a name that is neither here nor in the cache. */
    public Dpo4jException absent(HubRepository repository) {
        boolean isModel = repository.kind() == RepositoryKind.MODEL;
        return new Dpo4jException(repository.name() + (isModel ? " is not a directory here" : " does not exist here")
                + ", and the cache of the Hugging Face hub in " + directory + " has no " + repository.kind().words
                + " of that name; " + remedy(repository) + ", or give a " + (isModel ? "" : "file or ") + "directory");
    }

    private String remedy(HubRepository repository) {
        return (isOffline ? "unset HF_HUB_OFFLINE, and " : "")
                + "download it by adding --download to the command, or with: " + repository.command();
    }
}
