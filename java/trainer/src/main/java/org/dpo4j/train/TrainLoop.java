package org.dpo4j.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.MetricsLog;
import org.dpo4j.report.RunListener;

/**
 * Trains, evaluates and writes metrics. On a CUDA device a read waits for all queued work, so the loop reads only every
 * {@code logging_steps} steps and at evaluations. On the CPU nothing is queued, and it reads after each step.
 */
final class TrainLoop {
    /** The step of the weights is unknown, because the device cannot be read. */
    static final int UNKNOWN = -1;

    private final RunState state;
    private final TrainOptions options;
    private final RunListener listener;
    private final MetricsLog log;
    private final List<Metrics> history = new ArrayList<>();
    private int trained;
    private long loggedRows;
    private long loggedAt;

    TrainLoop(RunState state, TrainOptions options, RunListener listener, MetricsLog log) {
        this.state = state;
        this.options = options;
        this.listener = listener;
        this.log = log;
    }

    /**
     * Runs the remaining steps, closes the state and returns the lines of metrics. If it throws, {@link #trained}
     * returns the step of the weights.
     */
    List<Metrics> run() {
        try (state) {
            try {
                train();
            } catch (RuntimeException | Error e) {
                trained = lastApplied(e);
                throw e;
            }
        }
        trained = state.step();
        return List.copyOf(history);
    }

    /** The step that produced the weights; {@link #UNKNOWN} if the device cannot be read. */
    int trained() {
        return trained;
    }

    private void train() {
        int total = state.steps().total();
        listener.progress("training", state.step(), total);
        loggedAt = System.nanoTime();
        while (!state.isOver()) {
            state.accumulate();
            if (state.step() == 0) {
                log.begin(); // a run that fails before its first step keeps the metrics of an earlier one
            }
            state.update();
            state.checkGradient();
            if (state.step() % options.logging().loggingInterval(total) == 0 || state.isOver()) {
                logTraining();
            }
            listener.progress("training", state.step(), total);
            if (options.isEvaluatedAfter(state.step(), total)) {
                logEvaluation();
            }
        }
    }

    private int lastApplied(Throwable cause) {
        try {
            return state.applied();
        } catch (RuntimeException e) {
            cause.addSuppressed(e);
            return UNKNOWN;
        }
    }

    private void logTraining() {
        Map<String, Double> values = state.metrics();
        values.put("learning_rate", state.rate());
        values.put("epoch", state.epoch());
        values.put("num_tokens", (double) state.tokens());
        values.put(state.objective().unit() + "_per_second", (state.rows() - loggedRows) / seconds(loggedAt));
        write(new Metrics(state.step(), values));
        requireFinite(state.step(), values);
        loggedRows = state.rows();
        loggedAt = System.nanoTime();
    }

    private void logEvaluation() {
        long began = System.nanoTime();
        Map<String, Double> values = new LinkedHashMap<>();
        state.objective().evaluate().forEach((name, value) -> values.put("eval_" + name, value));
        values.put("epoch", state.epoch());
        values.put("eval_runtime", seconds(began));
        write(new Metrics(state.step(), values));
        loggedAt += System.nanoTime() - began;
    }

    /** Throws if the mean loss is not finite: a loss can overflow even if its gradient does not. */
    private static void requireFinite(int done, Map<String, Double> values) {
        double loss = values.getOrDefault("loss", 0.0);
        if (!Double.isFinite(loss)) {
            throw new Dpo4jException("the loss of the steps up to " + done + " is " + loss
                    + ", although their gradients are finite; training stops; lower learning_rate");
        }
    }

    private void write(Metrics metrics) {
        history.add(metrics);
        log.write(metrics);
        listener.metrics(metrics);
    }

    private static double seconds(long began) {
        return (System.nanoTime() - began) * 1e-9;
    }
}
