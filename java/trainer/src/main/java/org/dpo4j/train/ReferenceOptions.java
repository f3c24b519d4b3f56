package org.dpo4j.train;

import java.nio.file.Path;
import org.dpo4j.data.DatasetCache;
import org.dpo4j.io.hub.Hub;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.NamedModel;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which model the reference is, and when its log-probs are computed. */
public final class ReferenceOptions extends OptionGroup implements Downloadable {
    private static final double DEFAULT_MIXUP_ALPHA = 0.6;
    private static final int DEFAULT_SYNC_STEPS = 512;

    /** Parameters times tokens from which computing takes longer than keeping: some seconds on a CPU. */
    private static final double MIN_KEPT_WORK = 1e11;

    /** Another model that is the reference, a directory or a name; null: the trained model before the first step. */
    @Option(
            names = "--ref_model_name_or_path",
            description =
                    "Hugging Face directory, or name in the local Hugging Face cache, of the model that is the reference,"
                            + " with the same tokenizer; default the trained model before the first step. It is closed before training starts, unless"
                            + " precompute_ref_log_probs is false.")
    @Nullable
    Path refModelNameOrPath;

    /** Revision of a reference that is given by name; null for {@code main}. */
    @Option(
            names = "--ref_model_revision",
            description = "Branch, tag or commit of ref_model_name_or_path, if that is a name; default main.")
    @Nullable
    String refModelRevision;

    /** Whether the reference's log-probs are computed before the first step; null: unless {@code syncRefModel}. */
    @Option(
            names = "--precompute_ref_log_probs",
            arity = "0..1",
            fallbackValue = "true",
            description = "Compute the reference's log-probs once, before the first step, without a second model in"
                    + " memory; default true, but false with sync_ref_model. With false a frozen model computes them in"
                    + " every step, with the same result.")
    @Nullable
    Boolean precomputeRefLogProbs;

    /** TR-DPO: whether the reference moves towards the trained model. */
    @Option(
            names = "--sync_ref_model",
            arity = "0..1",
            fallbackValue = "true",
            description = "TR-DPO: every ref_model_sync_steps steps, move the reference towards the trained model, by"
                    + " ref_model_mixup_alpha. Default false.")
    @Nullable
    Boolean syncRefModel;

    /** Share of the trained model in the new reference; null for the default. */
    @Option(
            names = "--ref_model_mixup_alpha",
            description =
                    "Share of the trained model's weights in the new reference, the rest is the earlier reference;"
                            + " default " + DEFAULT_MIXUP_ALPHA + ". Needs sync_ref_model.")
    @Nullable
    Double refModelMixupAlpha;

    /** Steps between two moves of the reference; null for the default. */
    @Option(
            names = "--ref_model_sync_steps",
            description = "Steps between two moves of the reference; default " + DEFAULT_SYNC_STEPS
                    + ". Needs sync_ref_model.")
    @Nullable
    Integer refModelSyncSteps;

    /** Whether log-probs of the reference are kept for later runs; null: if computing them takes longer than seconds. */
    @Option(
            names = "--reference_cache",
            arity = "0..1",
            fallbackValue = "true",
            description = "Keep the reference's log-probs for later runs, and use those that earlier runs kept; default"
                    + " true if the parameters times the tokens are at least 1e11.")
    @Nullable
    Boolean referenceCache;

    /** Directory of kept log-probs; null for {@link #cacheDirectory}. */
    @Option(
            names = "--reference_cache_dir",
            description = "Directory in which the reference's log-probs are kept; default dpo4j/reference in"
                    + " $$XDG_CACHE_HOME or ~/.cache. Its files may be deleted at any time; those unused for 30 days are"
                    + " deleted when another is written.")
    @Nullable
    Path referenceCacheDir;

    /** The directory that was found, so that a run reads one snapshot; null: not looked for yet. */
    private @Nullable Path found;

    /** The directory of the other model; null if there is none. Throws if the local cache of the hub lacks its name. */
    @Nullable
    Path directory() {
        Path given = refModelNameOrPath;
        if (found == null && given != null) {
            found = named(given).directory();
        }
        return found;
    }

    private NamedModel named(Path given) {
        return new NamedModel(NamedModel.Origin.REFERENCE, given, refModelRevision);
    }

    @Override
    public void download(Hub hub) {
        if (refModelNameOrPath != null) {
            ModelDownload.all(named(refModelNameOrPath), hub);
        }
    }

    /** Whether the reference moves during the run. */
    boolean isSynced() {
        return syncRefModel != null && syncRefModel;
    }

    /** Whether the log-probs are computed before the first step. */
    boolean isPrecomputed() {
        return precomputeRefLogProbs == null ? !isSynced() : precomputeRefLogProbs;
    }

    /** Share of the trained model in the new reference. */
    double mixupAlpha() {
        return refModelMixupAlpha == null ? DEFAULT_MIXUP_ALPHA : refModelMixupAlpha;
    }

    /** Steps between two moves of the reference. */
    int syncSteps() {
        return refModelSyncSteps == null ? DEFAULT_SYNC_STEPS : refModelSyncSteps;
    }

    /** Whether log-probs of so many tokens by a model of so many parameters are kept for later runs. */
    boolean isKept(long parameters, long tokens) {
        return referenceCache == null ? (double) parameters * tokens >= MIN_KEPT_WORK : referenceCache;
    }

    /** Directory of kept log-probs. */
    Path cacheDirectory() {
        return referenceCacheDir == null
                ? DatasetCache.defaultDirectory().resolveSibling("reference")
                : referenceCacheDir;
    }

    /** Throws, naming the option, if options exclude each other. */
    void checkValues() {
        NamedModel.Origin.REFERENCE.checkRevision(refModelNameOrPath, refModelRevision);
        if (refModelNameOrPath != null) {
            named(refModelNameOrPath).repository(); // throws if the revision cannot be one
        }
        if (isSynced() && isPrecomputed()) {
            throw new Dpo4jException(
                    "sync_ref_model is true, but precompute_ref_log_probs is true too: log-probs that are"
                            + " computed once do not follow a reference that moves; leave one of the two out");
        }
        requireSync("ref_model_mixup_alpha", refModelMixupAlpha, DEFAULT_MIXUP_ALPHA);
        requireSync("ref_model_sync_steps", refModelSyncSteps, DEFAULT_SYNC_STEPS);
    }

    /** TRL accepts the default even if nothing reads it. */
    private void requireSync(String name, @Nullable Number value, double byDefault) {
        if (!isSynced() && value != null && value.doubleValue() != byDefault) {
            throw new Dpo4jException(
                    name + " is " + value + ", but sync_ref_model is false; set it to true, or leave " + name + " out");
        }
    }

    /** Throws, naming the option, if a loss without a reference is combined with options of one. {@code why}: names the loss. */
    void requireNone(String why) {
        if (refModelNameOrPath != null) {
            throw new Dpo4jException("ref_model_name_or_path is " + refModelNameOrPath + ", but " + why
                    + "; leave ref_model_name_or_path out");
        }
        if (isSynced()) {
            throw new Dpo4jException("sync_ref_model is true, but " + why + "; leave sync_ref_model out");
        }
    }
}
