package org.dpo4j.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Parameters;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.MetricsLog;
import org.dpo4j.report.RunListener;

/**
 * Optimizer steps over an objective. The gradient of a step is that of the mean over all terms of its micro-batches,
 * however they are cut. Nothing is read from the device but every {@code logging_steps} steps, where the evaluation data
 * is, and where reading waits for nothing.
 */
final class TrainLoop {
    /** No step. */
    static final int UNKNOWN = -1;

    private final Objective objective;
    private final Parameters parameters;
    private final Steps steps;
    private final Schedule schedule;
    private final TrainOptions options;
    private final RunListener listener;
    private final MetricsLog log;
    private final List<Metrics> history = new ArrayList<>();
    private int trained;
    private long tokens;
    private long rowsSinceLog;
    private long loggedAt;

    TrainLoop(
            Objective objective,
            Parameters parameters,
            Steps steps,
            TrainOptions options,
            RunListener listener,
            MetricsLog log) {
        this.objective = objective;
        this.parameters = parameters;
        this.steps = steps;
        this.schedule = options.schedule(steps.total());
        this.options = options;
        this.listener = listener;
        this.log = log;
    }

    /** Runs all steps; gives the lines of metrics. When it throws, {@link #trained} says what the weights are. */
    List<Metrics> run() {
        try (Optimizer optimizer = new Optimizer(parameters, options, options.loggingInterval(steps.total()))) {
            try {
                train(optimizer);
            } catch (RuntimeException | Error e) {
                trained = lastApplied(optimizer, e);
                throw e;
            }
        }
        trained = steps.total();
        return List.copyOf(history);
    }

    /** The step that the weights are from; {@link #UNKNOWN} where the device no longer says it. */
    int trained() {
        return trained;
    }

    private void train(Optimizer optimizer) {
        listener.progress("training", 0, steps.total());
        loggedAt = System.nanoTime();
        for (int step = 0; step < steps.total(); step++) {
            accumulate(steps.microBatches(step));
            if (step == 0) {
                log.begin(); // before it the model of an earlier run may stay, and with it its metrics
            }
            optimizer.step(schedule.rate(step));
            int done = step + 1;
            if (optimizer.isNormReady()) {
                optimizer.takeNorm();
            }
            if (done % options.loggingInterval(steps.total()) == 0 || done == steps.total()) {
                logTraining(done, optimizer.takeNorm());
            }
            listener.progress("training", done, steps.total());
            if (options.evaluatesAfter(done, steps.total())) {
                logEvaluation(done);
            }
        }
    }

    private static int lastApplied(Optimizer optimizer, Throwable cause) {
        try {
            return optimizer.applied();
        } catch (RuntimeException e) {
            cause.addSuppressed(e);
            return UNKNOWN;
        }
    }

    private void accumulate(List<int[]> microBatches) {
        objective.accumulate(microBatches);
        for (int[] rows : microBatches) {
            tokens += objective.tokens(rows);
            rowsSinceLog += rows.length;
        }
    }

    private void logTraining(int done, double norm) {
        Map<String, Double> values = new LinkedHashMap<>(objective.metrics());
        values.put("grad_norm", norm);
        values.put("learning_rate", schedule.rate(done - 1));
        values.put("epoch", steps.epoch(done));
        values.put("num_tokens", (double) tokens);
        values.put(objective.unit() + "_per_second", rowsSinceLog / seconds(loggedAt));
        write(new Metrics(done, values));
        requireFinite(done, values);
        rowsSinceLog = 0;
        loggedAt = System.nanoTime();
    }

    private void logEvaluation(int done) {
        long began = System.nanoTime();
        Map<String, Double> values = new LinkedHashMap<>();
        objective.evaluate().forEach((name, value) -> values.put("eval_" + name, value));
        values.put("epoch", steps.epoch(done));
        values.put("eval_runtime", seconds(began));
        write(new Metrics(done, values));
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
