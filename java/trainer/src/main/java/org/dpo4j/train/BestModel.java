package org.dpo4j.train;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.train.checkpoint.CheckpointDirectory;
import org.dpo4j.train.checkpoint.SavedState;

/**
 * Follows the metric of {@code metric_for_best_model}: its best value, the best one whose weights the run keeps, and the
 * evaluations since the last improvement. They are the numbers of transformers' TrainerState and EarlyStoppingCallback.
 * A value that is NaN is never better.
 */
final class BestModel {
    private final BestModelOptions options;
    private final String name;
    private final boolean isGreaterBetter;
    private final Best all = new Best();
    private final Best kept = new Best();
    private int evaluations;
    private int withoutImprovement;

    /** The best value so far, and its step; step 0 if there is none. */
    private static final class Best {
        private double metric;
        private int step;
    }

    BestModel(TrainOptions options) {
        this.options = options.bestModel();
        this.name = this.options.metric();
        this.isGreaterBetter = this.options.isTracked()
                && this.options.isGreaterBetter(options.evaluation().names());
    }

    /** Throws if no set of the run has the metric. */
    void check(Objective objective) {
        Set<String> names = new LinkedHashSet<>();
        for (EvalSet set : objective.evaluationSets()) {
            objective.metricNames().forEach(each -> names.add(set.prefix() + each));
        }
        if (options.isTracked() && !names.contains(name)) {
            throw unknown(names);
        }
    }

    private Dpo4jException unknown(Set<String> names) {
        return new Dpo4jException("metric_for_best_model is " + name + ", which this run does not have; name one of "
                + String.join(", ", names));
    }

    /**
     * Adds an evaluation. Throws if it has no such metric.
     *
     * @param metrics of all sets
     * @param isKept whether the weights are those of a checkpoint, or of the end of the run
     */
    void add(int step, Map<String, Double> metrics, boolean isKept) {
        if (!options.isTracked()) {
            return;
        }
        Double value = metrics.get(name);
        if (value == null) {
            throw unknown(metrics.keySet());
        }
        boolean hasImproved = isBetter(value, all) && Math.abs(value - all.metric) > options.earlyStoppingThreshold;
        withoutImprovement =
                evaluations == 0 || all.step == 0 && !Double.isNaN(value) || hasImproved ? 0 : withoutImprovement + 1;
        evaluations++;
        improve(all, step, value);
        if (isKept) {
            improve(kept, step, value);
        }
    }

    private void improve(Best best, int step, double value) {
        if (isBetter(value, best)) {
            best.metric = value;
            best.step = step;
        }
    }

    private boolean isBetter(double value, Best best) {
        if (best.step == 0) {
            return Double.isFinite(value);
        }
        return isGreaterBetter ? value > best.metric : value < best.metric;
    }

    /** Whether the evaluation after step {@code done} is the best so far. */
    boolean isBestAfter(int done) {
        return all.step == done && done > 0;
    }

    /** Whether early stopping ends the run. */
    boolean isStopped() {
        return options.earlyStoppingPatience != null && withoutImprovement >= options.earlyStoppingPatience;
    }

    /** The step whose weights are the best that the run keeps; 0 if there is none, or if the run does not end with them. */
    int step() {
        return options.loadBestModelAtEnd ? kept.step : 0;
    }

    /** Whether the run ends with its best model, but no evaluation of a checkpoint had a finite value. */
    boolean isSought() {
        return options.loadBestModelAtEnd && evaluations > 0 && kept.step == 0;
    }

    /** Lists what a checkpoint stores. */
    void state(SavedState saved) {
        if (options.isTracked()) {
            saved.real("best_metric", () -> all.metric, value -> all.metric = value);
            saved.whole("best_global_step", () -> all.step, value -> all.step = (int) value);
            saved.real("best_kept_metric", () -> kept.metric, value -> kept.metric = value);
            saved.whole("best_kept_step", () -> kept.step, value -> kept.step = (int) value);
            saved.whole("evaluations", () -> evaluations, value -> evaluations = (int) value);
            saved.whole(
                    "early_stopping_patience_counter",
                    () -> withoutImprovement,
                    value -> withoutImprovement = (int) value);
        }
    }

    /** Adds what transformers' {@code trainer_state.json} says of the best model. {@code output}: directory of checkpoints. */
    void describe(ObjectNode state, Path output) {
        if (all.step > 0) {
            state.put("best_metric", all.metric);
            state.put("best_global_step", all.step);
        }
        if (step() > 0) {
            state.put(
                    "best_model_checkpoint",
                    CheckpointDirectory.in(output, step()).toString());
        }
    }

    /** One line for a run header; empty if the run does not follow a metric. */
    String fact() {
        if (!options.isTracked()) {
            return "";
        }
        String compared = name + ", " + (isGreaterBetter ? "greater" : "less") + " is better";
        String ends = options.earlyStoppingPatience == null
                ? ""
                : "; the run ends after " + options.earlyStoppingPatience + " evaluations without improvement"
                        + (options.earlyStoppingThreshold == 0
                                ? ""
                                : String.format(Locale.ROOT, " by more than %s", options.earlyStoppingThreshold));
        return compared
                + ends
                + (options.loadBestModelAtEnd
                        ? "; the model is that of the best checkpoint"
                        : "; the model is that of the last step");
    }

    /** How the run ended early, for the user. */
    String stop(int step) {
        if (all.step == 0) {
            return String.format(
                    Locale.ROOT,
                    "early stopping after step %d: %s was not finite in %d evaluations",
                    step,
                    name,
                    withoutImprovement);
        }
        return String.format(
                Locale.ROOT,
                "early stopping after step %d: %s did not improve on %.4g of step %d in %d evaluations",
                step,
                name,
                all.metric,
                all.step,
                withoutImprovement);
    }

    /** Why the run does not end with its best model, for the user. */
    String absent(int lastStep) {
        return "no checkpoint has a finite " + name + ", so the model is that of the last step, " + lastStep;
    }

    /** Which model the run ends with, for the user. */
    String loaded(int lastStep) {
        return String.format(
                Locale.ROOT,
                "the model is that of step %d, with the best %s, %.4g; the last step was %d",
                kept.step,
                name,
                kept.metric,
                lastStep);
    }
}
