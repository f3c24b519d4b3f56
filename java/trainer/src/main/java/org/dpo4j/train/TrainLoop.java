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
 * Drives a run to its end: steps, lines of metrics, evaluations. The device is read every {@code logging_steps} steps and
 * at evaluations; between them only where reading waits for nothing.
 */
final class TrainLoop {
    /** No step. */
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
     * Runs the steps that are left and closes the state; gives the lines of metrics. When it throws, {@link #trained} says
     * what the weights are.
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

    /** The step that the weights are from; {@link #UNKNOWN} where the device no longer says it. */
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
                log.begin(); // before it the model of an earlier run may stay, and with it its metrics
            }
            state.update();
            state.checkGradient();
            if (state.step() % options.logging().loggingInterval(total) == 0 || state.isOver()) {
                logTraining();
            }
            listener.progress("training", state.step(), total);
            if (options.logging().evaluatesAfter(state.step(), total)) {
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

    /** A loss may overflow where its gradient does not. */
    private static void requireFinite(int done, Map<String, Double> values) {
        double loss = values.getOrDefault("loss", 0.0);
        if (!Double.isFinite(loss)) {
            throw new Dpo4jException("the loss of the steps up to " + done + " is " + loss
                    + " though their gradients are finite, and training stops; lower learning_rate");
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
