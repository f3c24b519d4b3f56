package org.dpo4j.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.function.IntConsumer;
import org.dpo4j.report.Diagnoses;
import org.dpo4j.report.Generations;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.MetricsLog;
import org.dpo4j.report.RunEnd;
import org.dpo4j.report.RunListener;
import org.dpo4j.report.RunStart;
import org.dpo4j.report.record.GenerationFiles;
import org.dpo4j.train.checkpoint.SavedState;
import org.jspecify.annotations.Nullable;

/**
 * Trains, evaluates and writes metrics. On a CUDA device a read waits for all queued work, so the loop reads only every
 * {@code logging_steps} steps and at evaluations. On the CPU nothing is queued, and it reads after each step.
 */
final class TrainLoop {
    /** The step of the weights is unknown, because the device cannot be read. */
    static final int UNKNOWN = -1;

    private final RunState state;
    private final TrainOptions options;
    private final EvaluationTimes times;
    private final RunListener listener;
    private final MetricsLog log;
    private final Checkpoints checkpoints;
    private final RunStart start;
    private final Throughput throughput;
    private final Diagnoses diagnoses;
    private final List<Metrics> history = new ArrayList<>();
    private boolean isBegun;
    /** The step of the checkpoint from which the run goes on; 0 if there is none. */
    private int resumedAt;

    private int trained;
    private long loggedRows;
    private long loggedTokens;
    private long loggedDecoderTokens;
    private long loggedAt;
    /** Whether the evaluation after the last step is still to be done. */
    private boolean isEvaluationDue;

    private @Nullable EvaluationSamples samples;
    private IntConsumer averageSave = step -> {};

    TrainLoop(
            RunState state,
            TrainOptions options,
            RunListener listener,
            MetricsLog log,
            Checkpoints checkpoints,
            RunStart start) {
        this.state = state;
        this.options = options;
        this.times = new EvaluationTimes(options, state.steps());
        this.listener = listener;
        this.log = log;
        this.checkpoints = checkpoints;
        this.start = start;
        this.throughput = state.throughput();
        this.diagnoses = new Diagnoses(state.diagnosed(options));
    }

    /**
     * Runs the remaining steps, closes the state and returns the lines of metrics. If it throws, {@link #trained}
     * returns the step of the weights. Another thread may still write the last checkpoint.
     */
    List<Metrics> run() {
        try (state) {
            try {
                train();
                state.saveAverage(() -> averageSave.accept(state.step()));
                trained = checkpoints.loadBest(state.step());
            } catch (RuntimeException | Error e) {
                trained = lastApplied(e);
                throw e;
            }
        }
        return List.copyOf(history);
    }

    /** Generates these samples at each evaluation; null: none. */
    void generate(@Nullable EvaluationSamples given) {
        samples = given;
    }

    /** Calls this with the last step, while the weights are their average, if the run has one. */
    void saveAverage(IntConsumer save) {
        averageSave = save;
    }

    /** The step that produced the weights; {@link #UNKNOWN} if the device cannot be read. */
    int trained() {
        return trained;
    }

    /** Goes on from a checkpoint: restores weights, state and the lines of metrics up to it. */
    void resume(Checkpoints.Loaded loaded) {
        checkpoints.restore(loaded, saved());
        resumedAt = state.step();
        log.begin();
        loaded.history().forEach(line -> {
            history.add(line);
            log.write(line);
            diagnoses.add(line); // said by the run that wrote the checkpoint
        });
        begin();
    }

    /** Empties the metrics of an earlier run and tells the listener that this one starts, once. */
    private void begin() {
        if (!isBegun) {
            isBegun = true;
            log.begin();
            if (state.step() == 0) {
                GenerationFiles.delete(options.output().directory());
                if (options.output().overwriteOutputDir) {
                    OutputDirectory.deleteAverage(options.output().directory());
                }
            }
            listener.started(start.at(state.step(), history));
        }
    }

    /** Tells the listener how the run ended, if it has told it that it started. */
    void end(RunEnd end) {
        if (isBegun) {
            isBegun = false;
            listener.ended(end);
        }
    }

    /** Lists what a checkpoint stores beside the weights. */
    private SavedState saved() {
        SavedState saved = state.saved();
        checkpoints.best().state(saved);
        saved.whole("logged_rows", () -> loggedRows, value -> loggedRows = value);
        saved.whole("total_steps", () -> state.steps().total(), this::tellOtherSteps);
        saved.whole("logged_tokens", () -> loggedTokens, value -> loggedTokens = value);
        saved.whole("logged_decoder_tokens", () -> loggedDecoderTokens, value -> loggedDecoderTokens = value);
        saved.whole("is_evaluation_due", () -> isEvaluationDue ? 1 : 0, value -> isEvaluationDue = value != 0);
        return saved;
    }

    /** The checkpoint is of a run with this number of steps. */
    private void tellOtherSteps(long then) {
        int now = state.steps().total();
        if (now != then && options.step().schedule(now).isScaledToSteps()) {
            listener.notice("the run has " + now + " steps, but the run of the checkpoint had " + then
                    + ": the learning"
                    + " rate goes on as " + options.step().lrSchedulerType + " over " + now + " steps, so the result is"
                    + " that of neither run");
        }
    }

    private void writeCheckpoint() {
        long began = System.nanoTime();
        checkpoints.begin(state.step(), saved(), history);
        loggedAt += System.nanoTime() - began;
    }

    private void train() {
        int total = state.steps().total();
        listener.progress("training", state.step(), total);
        loggedAt = System.nanoTime();
        isEvaluationDue |= state.step() == 0 && times.isDueAfter(0);
        evaluateIfDue();
        while (!state.isOver() && !checkpoints.best().isStopped()) {
            stopIfCancelled();
            state.accumulate();
            if (state.step() == 0) {
                checkpoints.deleteEarlier();
                begin(); // a run that fails before its first step keeps the metrics of an earlier one
            } else if (state.step() == resumedAt) {
                checkpoints.deleteLater();
            }
            state.update();
            state.checkGradient();
            if (options.logging().isDueAfter(state.step(), total) || state.isOver()) {
                logTraining();
            } else if (state.step() == 1) {
                diagnoses.first(state.means()).forEach(listener::diagnosis);
            }
            listener.progress("training", state.step(), total);
            isEvaluationDue = times.isDueAfter(state.step());
            evaluateIfDue();
            if (checkpoints.isDueAfter(state.step(), state.steps())) {
                writeCheckpoint();
            }
        }
        if (!state.isOver()) {
            listener.notice(checkpoints.best().stop(state.step()));
        }
        state.tellNonFiniteSteps();
    }

    private void evaluateIfDue() {
        if (isEvaluationDue) {
            try {
                logEvaluation();
            } catch (CancellationException e) {
                writeLastCheckpoint();
                throw e;
            }
            isEvaluationDue = false;
        }
    }

    /** Ends the run between two steps, with a checkpoint from which it can go on. */
    private void stopIfCancelled() {
        try {
            Cancellation.check(listener);
        } catch (CancellationException e) {
            writeLastCheckpoint();
            throw e;
        }
    }

    private void writeLastCheckpoint() {
        if (state.step() == 0 || options.checkpoint().saveStrategy == SaveStrategy.NO) {
            return;
        }
        boolean isInterrupted = Thread.interrupted(); // an interrupt would close the files
        try {
            checkpoints.writeLast(state.step(), saved(), history);
        } finally {
            if (isInterrupted) {
                Thread.currentThread().interrupt();
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
        double seconds = seconds(loggedAt);
        values.put(state.objective().unit() + "_per_second", (state.rows() - loggedRows) / seconds);
        throughput.addTo(values, state.tokens() - loggedTokens, state.decoderTokens() - loggedDecoderTokens, seconds);
        MemoryUse.addTo(values, state.objective().model().device());
        Metrics line = new Metrics(state.step(), values);
        write(line);
        diagnoses.add(line).forEach(listener::diagnosis);
        loggedRows = state.rows();
        loggedTokens = state.tokens();
        loggedDecoderTokens = state.decoderTokens();
        loggedAt = System.nanoTime();
    }

    /** Evaluates all sets and generates samples, then writes them, so that a cancelled evaluation has written nothing. */
    private void logEvaluation() {
        long began = System.nanoTime();
        int step = state.step();
        List<Metrics> lines = new ArrayList<>();
        state.objective().evaluationSets().forEach(set -> lines.add(evaluation(set)));
        Generations generations = samples == null ? null : samples.generate(step);
        lines.forEach(this::write);
        if (generations != null) {
            listener.generations(generations);
        }
        if (step > 0) {
            Map<String, Double> all = new LinkedHashMap<>();
            lines.forEach(line -> all.putAll(line.values()));
            boolean isKept = state.isOver() || checkpoints.isKeptAfter(step, state.steps());
            checkpoints.best().add(step, all, isKept);
            state.evaluated(all.getOrDefault(options.bestModel().metric(), Double.NaN));
        }
        loggedAt += System.nanoTime() - began;
    }

    private Metrics evaluation(EvalSet set) {
        long began = System.nanoTime();
        Map<String, Double> values = new LinkedHashMap<>();
        state.objective().evaluate(set).forEach((name, value) -> values.put(set.prefix() + name, value));
        values.put("epoch", state.epoch());
        values.put(set.prefix() + "runtime", seconds(began));
        return new Metrics(state.step(), values);
    }

    private void write(Metrics metrics) {
        begin();
        history.add(metrics);
        log.write(metrics);
        listener.metrics(metrics);
    }

    private static double seconds(long began) {
        return (System.nanoTime() - began) * 1e-9;
    }
}
