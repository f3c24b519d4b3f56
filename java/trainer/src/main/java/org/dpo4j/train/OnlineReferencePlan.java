package org.dpo4j.train;

import java.util.List;
import java.util.stream.Stream;
import org.dpo4j.model.PassMemory;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.model.WeightMix;
import org.dpo4j.report.RunListener;
import org.jspecify.annotations.Nullable;

/** A second model computes the log-probs of each batch during training and evaluation. */
final class OnlineReferencePlan implements ReferencePlan {
    private final Objective objective;
    private final ReferenceOptions options;
    private final ReferenceModel model;
    private final List<ReferenceRows<?>> rows;
    private final PassMemory passes;
    private final @Nullable String weightsHash;

    OnlineReferencePlan(
            Objective objective,
            Steps steps,
            TrainOptions options,
            ReferenceModel model,
            List<ReferenceRows<?>> rows,
            @Nullable String weightsHash) {
        this.objective = objective;
        this.options = options.reference();
        this.model = model;
        this.rows = rows;
        this.weightsHash = weightsHash;
        int batch = options.step().perDeviceEvalBatchSize;
        PassMemory max = PassMemory.NONE;
        try (ScoringModel scoring = new ScoringModel(model.planned(), objective.referenceSums())) {
            for (ReferenceRows<?> part : rows) {
                Stream<int[]> batches = part.isTrained()
                        ? steps.microBatches().flatMap(objective::passesOf)
                        : objective.evaluationSets().stream().flatMap(set -> Passes.inOrder(set.rows(), batch));
                max = max.max(part.memory(scoring, batches));
            }
        }
        passes = max;
    }

    @Override
    public String fact() {
        String kept = model.isPolicy() ? "a second copy of the model" : model.toString();
        return options.isSynced()
                ? kept + ", moved towards the trained model by ref_model_mixup_alpha " + options.mixupAlpha()
                        + " every " + options.syncSteps() + " steps (TR-DPO)"
                : kept + ", frozen; its log-probs are computed in every step";
    }

    @Override
    public @Nullable String weightsHash() {
        return weightsHash;
    }

    @Override
    public PassMemory passes() {
        return passes;
    }

    @Override
    public long modelBytes() {
        return model.bytes()
                + (options.isSynced() ? WeightMix.bytes(model.planned().parameters()) : 0);
    }

    @Override
    public boolean isKept() {
        return true;
    }

    @Override
    public Reference begin(RunListener listener) {
        return new OnlineReference(
                model.copy(listener),
                objective.referenceSums(),
                rows,
                options,
                objective.model().parameters());
    }
}
