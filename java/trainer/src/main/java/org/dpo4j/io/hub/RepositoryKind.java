package org.dpo4j.io.hub;

/** What a repository of the hub holds. It is part of its addresses and of its directory in the cache. */
public enum RepositoryKind {
    MODEL("models", "", "model", "model_revision"),
    DATASET("datasets", "datasets/", "data set", "dataset_name");

    /** Name in addresses of the API, and prefix of the directory in the cache. */
    final String plural;
    /** Prefix of addresses of files and pages. */
    final String prefix;
    /** What errors call it. */
    final String words;
    /** The option that usually says which revision is read. */
    final String revisionOption;

    RepositoryKind(String plural, String prefix, String words, String revisionOption) {
        this.plural = plural;
        this.prefix = prefix;
        this.words = words;
        this.revisionOption = revisionOption;
    }
}
