package org.dpo4j.model;

import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import org.dpo4j.io.hub.HubCache;
import org.dpo4j.io.hub.HubRepository;
import org.dpo4j.io.hub.RepositoryKind;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * What a user gives as a model: a directory, or the name of a model in the local cache of the Hugging Face hub.
 *
 * @param origin where it is given, which errors name
 * @param given the directory or the name
 * @param revision branch, tag or commit of a name; null for {@code main}
 */
public record NamedModel(
        Origin origin, Path given, @Nullable String revision) {

    /** The names of the two options, or keys of a config file, that give a model and its revision. */
    public enum Origin {
        MODEL("model_name_or_path", "model_revision"),
        REFERENCE("ref_model_name_or_path", "ref_model_revision"),
        /** The base model of an adapter. */
        ADAPTER("base_model_name_or_path of adapter_config.json", "revision of adapter_config.json");

        private final String path;
        private final String revision;

        Origin(String path, String revision) {
            this.path = path;
            this.revision = revision;
        }

        /** Checks a revision. Throws if no model is given, or if the model is a path that exists: a local directory has no revisions. */
        public void checkRevision(@Nullable Path given, @Nullable String value) {
            if (value == null || value.equals(HubRepository.MAIN)) {
                return;
            }
            if (given == null) {
                throw new Dpo4jException(revision + " is " + value + ", but " + path
                        + " is not given; give it, or leave " + revision + " out");
            }
            if (Files.exists(given, LinkOption.NOFOLLOW_LINKS)) {
                throw new Dpo4jException(revision + " is " + value + ", but " + path + " " + given
                        + " is a path here, which has no revisions; leave " + revision + " out");
            }
        }
    }

    /**
     * The directory of the model. Throws, saying how to download it, if the path is a name and the cache has no such model.
     * A path that is neither is returned as it is: {@link Model#load} says what is wrong with it.
     */
    public Path directory() {
        HubRepository repository = repository();
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

    /** The repository that the path names; null if it exists, or cannot be a name. Throws if a path that exists has a revision. */
    public @Nullable HubRepository repository() {
        if (Files.exists(given, LinkOption.NOFOLLOW_LINKS)) {
            origin.checkRevision(given, revision);
            return null;
        }
        boolean isName = !given.isAbsolute() && HubRepository.isName(given.toString());
        return isName
                ? new HubRepository(
                        RepositoryKind.MODEL,
                        given.toString(),
                        revision == null ? HubRepository.MAIN : revision,
                        origin.revision)
                : null;
    }
}
