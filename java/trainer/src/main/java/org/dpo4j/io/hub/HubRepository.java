package org.dpo4j.io.hub;

import java.util.regex.Pattern;
import org.dpo4j.kernels.Dpo4jException;

/**
 * A repository of the hub at a revision.
 *
 * @param name {@code owner/name}, or {@code name} for the oldest ones
 * @param revision a branch, a tag or the hash of a commit
 * @param revisionOption the option that says the revision, which errors name
 */
public record HubRepository(RepositoryKind kind, String name, String revision, String revisionOption) {
    /** The default revision. */
    public static final String MAIN = "main";

    private static final Pattern NAME = Pattern.compile("(\\w[\\w.-]{0,95}/)?\\w[\\w.-]{0,95}");
    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");

    /** Throws if the name or the revision cannot be one of the hub. */
    public HubRepository {
        if (!isName(name)) {
            throw new Dpo4jException(name + " is no name of a repository; give owner/name");
        }
        if (!SafePath.isRelative(revision)) {
            throw new Dpo4jException(
                    revisionOption + " is " + revision + "; it must be a branch, a tag or the hash of a commit");
        }
    }

    /** A repository whose revision the usual option of its kind says. */
    public HubRepository(RepositoryKind kind, String name, String revision) {
        this(kind, name, revision, kind.revisionOption);
    }

    /** Whether the text may be a name, by the rules of huggingface_hub's {@code validate_repo_id}. */
    public static boolean isName(String text) {
        return NAME.matcher(text).matches()
                && !text.contains("--")
                && !text.contains("..")
                && !text.endsWith(".git")
                && !text.matches(".*[.-](/.*)?");
    }

    /** Whether the text is the whole hash of a commit, which never names other files later. */
    static boolean isCommit(String text) {
        return COMMIT.matcher(text).matches();
    }

    /** The name of its directory in the cache. */
    String directory() {
        return kind.plural + "--" + name.replace("/", "--");
    }

    /** The command of huggingface_hub that downloads it. */
    String command() {
        return "hf download " + name + (kind == RepositoryKind.DATASET ? " --repo-type dataset" : "")
                + (revision.equals(MAIN) ? "" : " --revision " + revision);
    }

    /** For errors: {@code model owner/name}, with the revision if it is not {@code main}. */
    @Override
    public String toString() {
        return kind.words + " " + name + (revision.equals(MAIN) ? "" : " at revision " + revision);
    }
}
