package org.dpo4j.train;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Model;

/**
 * Compares the planned memory of a run with that of the device. If the run does not fit, it says what to change: it plans
 * the run once more for each change of an option, and lists the changes by the bytes that each saves.
 */
final class MemoryCheck {

    /**
     * A change of options.
     *
     * @param bytes by how much the plan with this change alone is smaller
     */
    record Saving(String change, long bytes) {}

    private record Change(String text, Consumer<TrainOptions> apply) {}

    private final Function<TrainOptions, MemoryPlan> planner;
    private final TrainOptions options;
    private final DType dtype;
    private final int minTrainBatch;

    private MemoryCheck(
            Function<TrainOptions, MemoryPlan> planner, TrainOptions options, Model model, int minTrainBatch) {
        this.planner = planner;
        this.options = options;
        this.dtype = model.parameters().dtype();
        this.minTrainBatch = minTrainBatch;
    }

    /** Of weights, gradients and optimizer alone, before rows are read. */
    static MemoryCheck ofState(Model model, TrainOptions options) {
        return new MemoryCheck(changed -> MemoryPlan.ofState(model, changed), options, model, 1);
    }

    /** Of a run. */
    static MemoryCheck of(Objective objective, TrainOptions options) {
        return new MemoryCheck(
                changed -> plan(objective, changed), options, objective.model(), objective.minTrainBatch());
    }

    private static MemoryPlan plan(Objective objective, TrainOptions options) {
        Steps steps = new Steps(options, objective.rowTokens());
        return MemoryPlan.of(objective, steps, ReferencePlanner.plan(objective, steps, options), options);
    }

    /** Throws, with what to change, if the planned run needs more than {@code available} bytes. */
    void check(MemoryPlan plan, long available) {
        long excess = plan.bytesWithGraphs() - available;
        if (excess <= 0) {
            return;
        }
        List<String> changes = new ArrayList<>();
        for (Saving saving : savings()) {
            changes.add(saving.change + " (saves " + MemoryPlan.inUnits(saving.bytes)
                    + (saving.bytes >= excess ? ", enough)" : ")"));
        }
        if (plan.passes().training().total() > 0) {
            changes.add("lower max_length");
        }
        changes.add("use a smaller model");
        throw plan.refusal(available, String.join(", or ", changes));
    }

    /** What would make the plan smaller, the largest saving first. */
    List<Saving> savings() {
        long bytes = planner.apply(options).bytesWithGraphs();
        return changes()
                .flatMap(change -> saving(change, bytes))
                .filter(saving -> saving.bytes > 0)
                .sorted(Comparator.comparingLong(Saving::bytes).reversed())
                .collect(Collectors.toList());
    }

    /** Nothing if the changed options contradict each other, so that no run can have them. */
    private Stream<Saving> saving(Change change, long bytes) {
        try {
            TrainOptions changed = options.with(change.apply);
            return Stream.of(
                    new Saving(change.text, bytes - planner.apply(changed).bytesWithGraphs()));
        } catch (Dpo4jException e) {
            return Stream.empty();
        }
    }

    /** Those that change nothing in this run save nothing, and are not listed. */
    private Stream<Change> changes() {
        StepOptions step = options.step();
        return Stream.of(
                        ofAdapters(),
                        ofOptimizer(),
                        dtype == DType.BF16 ? ofRounding() : Stream.<Change>empty(),
                        Stream.of(
                                new Change(
                                        "set gradient_checkpointing",
                                        changed -> changed.step().gradientCheckpointing = true),
                                new Change(
                                        "lower per_device_train_batch_size from " + step.perDeviceTrainBatchSize
                                                + " to " + minTrainBatch,
                                        changed -> changed.step().perDeviceTrainBatchSize = minTrainBatch),
                                new Change(
                                        "lower per_device_eval_batch_size from " + step.perDeviceEvalBatchSize
                                                + " to 1",
                                        changed -> changed.step().perDeviceEvalBatchSize = 1),
                                new Change("set cuda_graphs false", changed -> changed.step().cudaGraphs = false),
                                new Change(
                                        "leave generate_during_eval out",
                                        changed -> changed.samples().generateDuringEval = false),
                                ofReference()))
                .flatMap(changes -> changes);
    }

    private Stream<Change> ofAdapters() {
        Change fourBit =
                new Change("set " + (options.lora().usePeft ? "" : "use_peft and ") + "load_in_4bit", changed -> {
                    changed.lora().usePeft = true;
                    changed.lora().loadIn4bit = true;
                });
        Change adapter = new Change(
                "set use_peft, to train an adapter instead of all weights", changed -> changed.lora().usePeft = true);
        return Stream.of(fourBit, adapter);
    }

    private Stream<Change> ofOptimizer() {
        Change codes = new Change("set optim adamw_8bit", changed -> {
            changed.optimizer().optim = OptimizerName.ADAMW_8BIT;
            changed.optimizer().optimArgs = OptionMap.EMPTY;
            changed.optimizer().adamMomentsDtype = Precision.FLOAT32;
        });
        return Stream.of(codes, new Change("leave use_ema out", changed -> changed.optimizer().useEma = false));
    }

    /** Of bf16 weights alone. */
    private Stream<Change> ofRounding() {
        Change both = new Change("set bf16_stochastic_round and adam_moments_dtype bfloat16", changed -> {
            changed.optimizer().bf16StochasticRound = true;
            changed.optimizer().adamMomentsDtype = Precision.BFLOAT16;
        });
        return Stream.of(
                both,
                new Change("set bf16_stochastic_round", changed -> changed.optimizer().bf16StochasticRound = true));
    }

    private Change ofReference() {
        String name = options.reference().isSynced() ? "sync_ref_model" : "precompute_ref_log_probs";
        return new Change("leave " + name + " out", changed -> {
            changed.reference().syncRefModel = null;
            changed.reference().refModelMixupAlpha = null;
            changed.reference().refModelSyncSteps = null;
            changed.reference().precomputeRefLogProbs = null;
        });
    }
}
