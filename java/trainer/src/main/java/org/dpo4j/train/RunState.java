package org.dpo4j.train;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.model.Parameters;
import org.dpo4j.report.RunListener;

/**
 * Where a run stands: the steps that are done, the optimizer's state, the sums and running means of the objective, and the
 * reference. The reference is computed once, from the weights before the first step. {@link TrainLoop} and {@link DpoSteps}
 * drive a run by this alone and count no steps of their own.
 *
 * <p>The objective stays the caller's, and is closed after this.
 */
final class RunState implements AutoCloseable {
    private final Objective objective;
    private final Steps steps;
    private final Schedule schedule;
    private final Reference reference;
    private final Optimizer optimizer;
    private int step;
    private long tokens;
    private long rows;

    /** A run at its beginning. Computes the reference, then allocates the optimizer's state. */
    static RunState begin(
            Parameters parameters, Objective objective, Steps steps, TrainOptions options, RunListener listener) {
        return new RunState(parameters, objective, steps, options, objective.reference(steps, listener), listener);
    }

    /** Step 0 with weights that the reference may not be of. */
    RunState(
            Parameters parameters,
            Objective objective,
            Steps steps,
            TrainOptions options,
            Reference reference,
            RunListener listener) {
        this.objective = objective;
        this.steps = steps;
        this.schedule = options.step().schedule(steps.total());
        this.reference = reference;
        objective.begin(reference, listener);
        this.optimizer = new Optimizer(parameters, options, options.logging().loggingInterval(steps.total()));
    }

    Objective objective() {
        return objective;
    }

    Steps steps() {
        return steps;
    }

    /** The log-probs that the run measures from, from its first step to its last. */
    Reference reference() {
        return reference;
    }

    /** Steps that are done; queued, where the device works behind the host. */
    int step() {
        return step;
    }

    boolean isOver() {
        return step == steps.total();
    }

    /** Tokens in the rows that were read, counted as TRL counts {@code num_tokens}. */
    long tokens() {
        return tokens;
    }

    /** Rows that were read. */
    long rows() {
        return rows;
    }

    /** Epochs that are done. */
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

    /** Queues the update of the weights: the step is done. */
    void update() {
        optimizer.step(schedule.rate(step));
        step++;
    }

    /** Throws where the gradient of a step was not finite, if that is known without waiting for the device. */
    void checkGradient() {
        if (optimizer.isNormReady()) {
            optimizer.takeNorm();
        }
    }

    /**
     * Waits for the steps. Means over the terms since the last call, and {@code grad_norm} of the last step. Throws where
     * the gradient of a step since then was not finite.
     */
    Map<String, Double> metrics() {
        double norm = optimizer.takeNorm();
        Map<String, Double> metrics = new LinkedHashMap<>(objective.metrics());
        metrics.put("grad_norm", norm);
        return metrics;
    }

    /** The last step that changed the weights: its gradient was finite. Waits for the steps. */
    int applied() {
        return optimizer.applied();
    }

    @Override
    public void close() {
        optimizer.close();
    }
}
