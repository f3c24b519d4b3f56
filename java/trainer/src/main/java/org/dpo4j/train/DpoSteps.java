package org.dpo4j.train;

import java.util.List;
import java.util.Map;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.head.HeadPlan;
import org.dpo4j.model.LoraConfig;
import org.dpo4j.model.Model;
import org.dpo4j.model.family.ModelConfig;

/**
 * Runs the optimizer steps of {@link DpoTrainer} one at a time, on a model and pairs in memory, with the same launches
 * and the same bits. The caller does logging, evaluation and saving.
 *
 * <p>The reference is the model at construction; the constructor computes its log-probs of the pairs that the steps
 * read. Only the options of steps, losses, reference, optimizer, seed and {@code logging_steps} are used;
 * rows, output, device, dtype and evaluation are not, and no log-probs are kept for later runs. The caller owns the model and closes it after this object. Use it from one thread at a time.
 */
public final class DpoSteps implements AutoCloseable {
    private final PreferenceObjective objective;
    private final RunState state;

    /**
     * Allocates the optimizer's state and computes the reference's log-probs. With {@code use_peft} the caller has added the
     * adapter to the model ({@link Model#addAdapter}).
     *
     * @param isPrefixShared whether a prompt is computed once for both of its completions, as in {@link DpoTrainer}
     */
    public DpoSteps(Model model, List<PreferencePair> pairs, DpoOptions options, boolean isPrefixShared) {
        if (options.train().lora().config() != null && model.adapter() == null) {
            throw new Dpo4jException("use_peft is true, but the model has no adapter; call Model.addAdapter first");
        }
        objective = PreferenceObjective.ofPairs(model, pairs, options, isPrefixShared);
        try {
            Steps steps = new Steps(options.train(), objective.rowTokens());
            ReferencePlan reference = ReferencePlanner.plan(objective, steps, options.train());
            LogitsMemory.choose(objective, () -> MemoryPlan.of(objective, steps, reference, options.train()));
            state = RunState.begin(objective, steps, options.train(), reference, metrics -> {});
        } catch (RuntimeException e) {
            objective.close();
            throw e;
        }
    }

    /**
     * The device memory that these steps need, with the adapter and the 4-bit weights of the options. The model need not
     * exist, and the device need not support {@code dtype}.
     */
    public static MemoryPlan memory(
            ModelConfig config,
            Device device,
            DType dtype,
            List<PreferencePair> pairs,
            DpoOptions options,
            boolean isPrefixShared) {
        LoraOptions lora = options.train().lora();
        try (Model model = Model.planned(config, device, dtype, lora.fourBit(dtype))) {
            LoraConfig adapter = lora.config();
            if (adapter != null) {
                model.addAdapter(adapter, null, 0);
            }
            return memory(model, pairs, options, isPrefixShared);
        }
    }

    private static MemoryPlan memory(
            Model model, List<PreferencePair> pairs, DpoOptions options, boolean isPrefixShared) {
        try (PreferenceObjective objective = PreferenceObjective.ofPairs(model, pairs, options, isPrefixShared)) {
            Steps steps = new Steps(options.train(), objective.rowTokens());
            ReferencePlan reference = ReferencePlanner.plan(objective, steps, options.train());
            LogitsMemory.choose(objective, () -> MemoryPlan.of(objective, steps, reference, options.train()));
            return MemoryPlan.of(objective, steps, reference, options.train());
        }
    }

    /** How the LM head computes log-probs and gradients. */
    public HeadPlan.Path headPath() {
        return objective.training.headPath();
    }

    /** Queues the next step without waiting for the device. Throws if all steps of the options are done. */
    public void step() {
        if (state.isOver()) {
            throw new Dpo4jException("DpoSteps: all " + state.step() + " steps are done; set max_steps to more");
        }
        state.accumulate();
        state.update();
    }

    /**
     * Waits for the queued steps and returns means over the pairs since the last call, under TRL's names as in {@code
     * metrics.jsonl}, and {@code grad_norm} of the last step. Throws if the gradients of more than {@code
     * max_nonfinite_steps} steps were not finite. Call it at least every {@code logging_steps} steps, so that none is missed.
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
