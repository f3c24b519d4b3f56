package org.dpo4j.model;

import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import org.dpo4j.io.hub.HubCache;
import org.dpo4j.io.hub.HubRepository;
import org.dpo4j.io.hub.RepositoryKind;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** What a user gives as a model: a directory, or the name of a model in the local cache of the Hugging Face hub. */
public final class NamedModel {
    private NamedModel() {}

    /**
     * The directory of the model. Throws, saying how to download it, if the path is a name and the cache has no such model.
     * A path that is neither is returned as it is: {@link Model#load} says what is wrong with it.
     *
     * @param revision branch, tag or commit of a name; null for {@code main}
     */
    public static Path directory(Path given, @Nullable String revision) {
        HubRepository repository = repository(given, revision);
        if (repository == null) {
            return given;
        }
        HubCache cache = HubCache.local();
        Path snapshot = cache.find(repository);
        if (snapshot == null) {
            throw cache.absent(repository);
        }
        return snapshot;
    }

    /** The repository that a path names; null if it exists, or cannot be a name. Throws if a path that exists has a revision. */
    public static @Nullable HubRepository repository(Path given, @Nullable String revision) {
        if (Files.exists(given, LinkOption.NOFOLLOW_LINKS)) {
            checkRevision("model", given, revision);
            return null;
        }
        boolean isName = !given.isAbsolute() && HubRepository.isName(given.toString());
        return isName
                ? new HubRepository(
                        RepositoryKind.MODEL, given.toString(), revision == null ? HubRepository.MAIN : revision)
                : null;
    }

    /**
     * Throws if a revision is given without a model, or with a path that exists.
     *
     * @param option what precedes {@code _revision} and {@code _name_or_path} in the names of the options
     */
    public static void checkRevision(String option, @Nullable Path given, @Nullable String revision) {
        if (revision == null || revision.equals(HubRepository.MAIN)) {
            return;
        }
        if (given == null) {
            throw new Dpo4jException(option + "_revision is " + revision + ", but " + option
                    + "_name_or_path is not given; give it, or leave " + option + "_revision out");
        }
        if (Files.exists(given, LinkOption.NOFOLLOW_LINKS)) {
            throw new Dpo4jException(option + "_revision is " + revision + ", but " + option + "_name_or_path " + given
                    + " is a path here, which has no revisions; leave " + option + "_revision out");
        }
    }
}
