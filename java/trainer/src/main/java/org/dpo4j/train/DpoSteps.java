package org.dpo4j.train;

import java.util.List;
import java.util.Map;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.Shuffle;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Model;
import org.dpo4j.model.family.ModelConfig;

/**
 * The optimizer steps of {@link DpoTrainer} on a model and pairs in memory, one at a time: what a run is between its
 * files. The same launches and the same bits.
 *
 * <p>The reference is the model as it is when this is made; its log-probs of the pairs that the steps read are computed
 * then. Of the options those of
 * steps, losses and optimizer are read; files, device, dtype, logging and evaluation are the caller's. The model stays
 * the caller's, and is closed after this. One thread at a time.
 */
public final class DpoSteps implements AutoCloseable {
    private final PreferenceObjective objective;
    private final RunState state;

    /**
     * Allocates the optimizer's state and computes the reference's log-probs.
     *
     * @param sharePrefix whether a prompt is computed once for both of its completions, as {@link DpoTrainer} does
     */
    public DpoSteps(Model model, List<PreferencePair> pairs, DpoOptions options, boolean sharePrefix) {
        objective = PreferenceObjective.ofPairs(model, pairs, options, sharePrefix);
        try {
            Steps steps = steps(pairs, options.train());
            state = RunState.begin(model.parameters(), objective, steps, options.train(), metrics -> {});
        } catch (RuntimeException e) {
            objective.close();
            throw e;
        }
    }

    /** What these steps take of a device, before there is a model: of sizes alone, and of any type. */
    public static MemoryPlan memory(
            ModelConfig config,
            Device device,
            DType dtype,
            List<PreferencePair> pairs,
            DpoOptions options,
            boolean sharePrefix) {
        try (Model model = Model.planned(config, device, dtype);
                PreferenceObjective objective = PreferenceObjective.ofPairs(model, pairs, options, sharePrefix)) {
            return MemoryPlan.of(model.parameters(), objective, steps(pairs, options.train()), options.train());
        }
    }

    private static Steps steps(List<PreferencePair> pairs, TrainOptions options) {
        return new Steps(pairs.size(), options, epoch -> Shuffle.order(pairs.size(), options.seeds().seed, epoch));
    }

    /** Queues the next step; nothing is waited for. Throws when the steps of the options are over. */
    public void step() {
        if (state.isOver()) {
            throw new Dpo4jException("DpoSteps: all " + state.step() + " steps are done; set max_steps to more");
        }
        state.accumulate();
        state.update();
    }

    /**
     * Waits for the queued steps. Means over the pairs since the last call under TRL's names, as in {@code
     * metrics.jsonl}, and {@code grad_norm} of the last step. Throws when the gradient of one of the last {@code
     * logging_steps} steps was not finite.
     */
    public Map<String, Double> metrics() {
        return state.metrics();
    }

    @Override
    public void close() {
        state.close();
        objective.close();
    }
}
