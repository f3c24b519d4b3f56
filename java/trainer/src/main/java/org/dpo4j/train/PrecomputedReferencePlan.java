package org.dpo4j.train;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.dpo4j.io.FileErrors;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.Model;
import org.dpo4j.model.PassMemory;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.report.RunListener;
import org.dpo4j.train.reference.LogProbTable;
import org.dpo4j.train.reference.ReferenceCache;
import org.jspecify.annotations.Nullable;

/**
 * Log-probs that are known before the first step: earlier runs kept them, or this run computes them, in the order of
 * length, and keeps them. A model that is not the trained one is closed before training starts.
 */
final class PrecomputedReferencePlan implements ReferencePlan {
    private final ReferenceModel model;
    private final CompletionSums sums;
    private final int batch;
    private final List<ReferencePass.Part> parts;
    private final @Nullable ReferenceCache cache;
    private final @Nullable String weightsHash;
    private final PassMemory passes;
    /** Why the log-probs are not kept, although the options say so; null if they are. */
    private final @Nullable String fault;

    private PrecomputedReferencePlan(
            ReferenceModel model,
            CompletionSums sums,
            int batch,
            List<ReferencePass.Part> parts,
            @Nullable ReferenceCache cache,
            @Nullable String weightsHash) {
        this.model = model;
        this.sums = sums;
        this.batch = batch;
        this.parts = parts;
        this.cache = cache;
        this.weightsHash = weightsHash;
        this.passes = memory();
        this.fault = cache == null || missing() == 0 ? null : cache.fault();
    }

    /** Looks for the log-probs that earlier runs kept. */
    static ReferencePlan find(
            Objective objective,
            TrainOptions options,
            ReferenceModel model,
            List<ReferenceRows<?>> rows,
            ReferenceFiles files) {
        long tokens = rows.stream().mapToLong(ReferenceRows::tokens).sum();
        CompletionSums sums = objective.referenceSums();
        ReferenceCache cache = files.cache(model, sums, options.reference(), tokens);
        LogProbTable kept = cache == null ? new LogProbTable() : read(cache, files.listener());
        List<ReferencePass.Part> parts = new ArrayList<>();
        for (ReferenceRows<?> part : rows) {
            parts.add(ReferencePass.Part.known(part, kept));
        }
        return new PrecomputedReferencePlan(
                model, sums, options.step().perDeviceEvalBatchSize, parts, cache, files.weightsHash(model));
    }

    private static LogProbTable read(ReferenceCache cache, RunListener listener) {
        try {
            return cache.read();
        } catch (IOException e) {
            listener.notice("the reference's log-probs in " + cache.file() + " cannot be used (" + FileErrors.reason(e)
                    + "); they are computed again");
            return new LogProbTable();
        }
    }

    private int missing() {
        return parts.stream().mapToInt(part -> part.missing().length).sum();
    }

    @Override
    public String fact() {
        int missing = missing();
        int read = parts.stream().mapToInt(part -> part.rows().read().length).sum() - missing;
        String from = "log-probs of " + model + ", ";
        String computed = "computed before the first step"
                + (cache == null
                        ? ""
                        : fault == null
                                ? " and kept in " + cache.file().getParent() + " for later runs"
                                : ", not kept for later runs: " + fault
                                        + "; name another directory with reference_cache_dir, or set reference_cache to"
                                        + " false");
        if (cache == null || read == 0) {
            return from + computed;
        }
        String kept = String.format(Locale.ROOT, "%,d read from %s", read, cache.file());
        return from
                + kept
                + (missing == 0
                        ? "; reference_cache false computes them again"
                        : String.format(Locale.ROOT, ", %,d ", missing) + computed);
    }

    @Override
    public @Nullable String weightsHash() {
        return weightsHash;
    }

    private PassMemory memory() {
        PassMemory max = PassMemory.NONE;
        try (ScoringModel scoring = new ScoringModel(model.planned(), sums)) {
            for (ReferencePass.Part part : parts) {
                max = max.max(part.rows().memory(scoring, part.rows().batches(part.missing(), batch).stream()));
            }
        }
        return max;
    }

    @Override
    public PassMemory passes() {
        return passes;
    }

    @Override
    public long modelBytes() {
        return model.isPolicy() || missing() == 0 ? 0 : model.bytes();
    }

    @Override
    public Reference begin(RunListener listener) {
        if (missing() > 0) {
            compute(listener);
        }
        return new StoredReference(parts.stream()
                .map(part -> new ReferenceLogProbs(part.sums(), part.rows().sums()))
                .toList());
    }

    /** Keeps what was computed also if the run is cancelled, so that the next one goes on from there. */
    private void compute(RunListener listener) {
        Model opened = model.open(listener);
        try (ScoringModel scoring = new ScoringModel(opened, sums)) {
            ReferencePass.compute(scoring, parts, batch, listener);
        } finally {
            try {
                keep(listener);
            } finally {
                model.close(opened);
            }
        }
    }

    private void keep(RunListener listener) {
        if (cache == null || fault != null) {
            return;
        }
        LogProbTable computed = new LogProbTable();
        parts.forEach(part -> part.addComputed(computed));
        if (computed.rows() == 0) {
            return;
        }
        try {
            cache.write(computed);
        } catch (Dpo4jException e) {
            listener.notice("the reference's log-probs are not kept for later runs: " + e.getMessage()
                    + "; name another directory with reference_cache_dir");
        }
    }
}
