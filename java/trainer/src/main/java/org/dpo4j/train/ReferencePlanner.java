package org.dpo4j.train;

import java.util.List;
import org.dpo4j.kernels.Dpo4jException;

/** Chooses how a run gets the log-probs of its reference. */
final class ReferencePlanner {
    private ReferencePlanner() {}

    /** The plan for a model and rows in memory, without files. */
    static ReferencePlan plan(Objective objective, Steps steps, TrainOptions options) {
        return plan(objective, steps, options, ReferenceFiles.NONE);
    }

    /**
     * The plan of a run.
     *
     * @param files finds the log-probs that earlier runs kept
     */
    static ReferencePlan plan(Objective objective, Steps steps, TrainOptions options, ReferenceFiles files) {
        objective.checkSteps(steps);
        if (!objective.hasReference()) {
            return ReferencePlan.NONE;
        }
        ReferenceModel model = new ReferenceModel(objective.model(), options);
        List<ReferenceRows<?>> rows =
                objective.referenceRows(steps, model.planned().architecture().shortLength());
        ReferenceOptions asked = options.reference();
        if (rows.stream().anyMatch(part -> part.given() != null)) {
            refuseBesideColumns(asked);
        }
        if (!asked.isPrecomputed()) {
            return new OnlineReferencePlan(objective, steps, options, model, rows, files.weightsHash(model));
        }
        boolean areGiven = rows.stream().allMatch(part -> part.given() != null || part.read().length == 0);
        return areGiven
                ? new GivenReferencePlan(rows)
                : PrecomputedReferencePlan.find(objective, options, model, rows, files);
    }

    private static void refuseBesideColumns(ReferenceOptions asked) {
        String option = asked.isSynced()
                ? "sync_ref_model is true"
                : !asked.isPrecomputed()
                        ? "precompute_ref_log_probs is false"
                        : asked.refModelNameOrPath == null
                                ? null
                                : "ref_model_name_or_path is " + asked.refModelNameOrPath;
        if (option != null) {
            throw new Dpo4jException(option + ", but the rows state log-probs of a reference; drop ref_chosen_logps and"
                    + " ref_rejected_logps with column_map, or leave the option out");
        }
    }
}
