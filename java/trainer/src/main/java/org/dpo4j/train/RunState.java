package org.dpo4j.train;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.kernels.Device;
import org.dpo4j.model.Parameters;
import org.dpo4j.report.RunListener;
import org.dpo4j.train.checkpoint.SavedState;

/**
 * The state of a run: steps done, the optimizer's state, sums and running means of the objective, and the reference.
 * The reference is computed once, from the weights before the first step. {@link TrainLoop} and {@link DpoSteps} both
 * drive a run through this class and keep no step count of their own.
 *
 * <p>The caller owns the objective and closes it after this.
 */
final class RunState implements AutoCloseable {
    private final Device device;
    private final Objective objective;
    private final Steps steps;
    private final Schedule schedule;
    private final Reference reference;
    private final Optimizer optimizer;
    private int step;
    private long tokens;
    private long rows;

    /** Begins a run: computes the reference, then allocates the optimizer's state. */
    static RunState begin(
            Parameters parameters, Objective objective, Steps steps, TrainOptions options, RunListener listener) {
        return new RunState(parameters, objective, steps, options, objective.reference(steps, listener), listener);
    }

    /** Begins a run with a given reference, which may come from other weights than the model's. */
    RunState(
            Parameters parameters,
            Objective objective,
            Steps steps,
            TrainOptions options,
            Reference reference,
            RunListener listener) {
        this.device = parameters.device();
        this.objective = objective;
        this.steps = steps;
        this.schedule = options.step().schedule(steps.total());
        this.reference = reference;
        objective.begin(reference, listener);
        this.optimizer = new Optimizer(parameters, options, options.logging().loggingInterval(steps.total()));
    }

    /** Lists what a checkpoint stores beside the weights. Waits for the steps. */
    SavedState saved() {
        SavedState saved = new SavedState(device);
        optimizer.state(saved);
        objective.state(saved);
        saved.whole("global_step", () -> step, value -> step = (int) value);
        saved.whole("num_tokens", () -> tokens, value -> tokens = value);
        saved.whole("num_rows", () -> rows, value -> rows = value);
        return saved;
    }

    Objective objective() {
        return objective;
    }

    Steps steps() {
        return steps;
    }

    /** The reference's log-probs, the same from the first step to the last. */
    Reference reference() {
        return reference;
    }

    /** Steps that are queued. The device may not have finished them. */
    int step() {
        return step;
    }

    boolean isOver() {
        return step == steps.total();
    }

    /** Tokens of the rows read so far, counted as TRL counts {@code num_tokens}. */
    long tokens() {
        return tokens;
    }

    /** Rows read so far. */
    long rows() {
        return rows;
    }

    /** Epochs done, with a fraction. */
    double epoch() {
        return steps.epoch(step);
    }

    /** The learning rate of the last step. */
    double rate() {
        return schedule.rate(step - 1);
    }

    /** Queues the gradient of the next step. */
    void accumulate() {
        List<int[]> microBatches = steps.microBatches(step);
        objective.accumulate(microBatches);
        for (int[] batch : microBatches) {
            tokens += objective.tokens(batch);
            rows += batch.length;
        }
    }

    /** Queues the update of the weights and counts the step. */
    void update() {
        optimizer.step(schedule.rate(step));
        step++;
    }

    /** On a device where reading does not wait, throws if the gradient of a step was not finite. */
    void checkGradient() {
        if (optimizer.isNormReady()) {
            optimizer.takeNorm();
        }
    }

    /**
     * Waits for the steps and returns means over the terms since the last call, and {@code grad_norm} of the last step.
     * Throws if the gradient of a step since the last call was not finite.
     */
    Map<String, Double> metrics() {
        double norm = optimizer.takeNorm();
        Map<String, Double> metrics = new LinkedHashMap<>(objective.metrics());
        metrics.put("grad_norm", norm);
        return metrics;
    }

    /** Waits for the steps and returns the last one that changed the weights, counted from 1; 0 if there is none. */
    int applied() {
        return optimizer.applied();
    }

    @Override
    public void close() {
        optimizer.close();
    }
}
