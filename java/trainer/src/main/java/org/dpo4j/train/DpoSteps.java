package org.dpo4j.train;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.Shuffle;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.LlamaConfig;
import org.dpo4j.model.Model;

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
    private final Steps steps;
    private final Schedule schedule;
    private final Optimizer optimizer;
    private int done;

    /**
     * Allocates the optimizer's state and computes the reference's log-probs.
     *
     * @param sharePrefix whether a prompt is computed once for both of its completions, as {@link DpoTrainer} does
     */
    public DpoSteps(Model model, List<PreferencePair> pairs, DpoOptions options, boolean sharePrefix) {
        TrainOptions train = options.train();
        steps = steps(pairs, train);
        schedule = train.schedule(steps.total());
        objective = PreferenceObjective.ofPairs(model, pairs, options, sharePrefix);
        try {
            objective.begin(steps, metrics -> {});
            optimizer = new Optimizer(model.parameters(), train, train.loggingInterval(steps.total()));
        } catch (RuntimeException e) {
            objective.close();
            throw e;
        }
    }

    /** What these steps take of a device, before there is a model: of sizes alone, and of any type. */
    public static MemoryPlan memory(
            LlamaConfig config,
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
        return new Steps(pairs.size(), options, epoch -> Shuffle.order(pairs.size(), options.seed(), epoch));
    }

    /** Queues the next step; nothing is waited for. Throws when the steps of the options are over. */
    public void step() {
        if (done == steps.total()) {
            throw new Dpo4jException("DpoSteps: all " + done + " steps are done; set max_steps to more");
        }
        objective.accumulate(steps.microBatches(done));
        optimizer.step(schedule.rate(done));
        done++;
    }

    /**
     * Waits for the queued steps. Means over the pairs since the last call under TRL's names, as in {@code
     * metrics.jsonl}, and {@code grad_norm} of the last step. Throws when the gradient of one of the last {@code
     * logging_steps} steps was not finite.
     */
    public Map<String, Double> metrics() {
        Map<String, Double> metrics = new LinkedHashMap<>(objective.metrics());
        metrics.put("grad_norm", optimizer.takeNorm());
        return metrics;
    }

    @Override
    public void close() {
        optimizer.close();
        objective.close();
    }
}
