package org.dpo4j.train;

import java.util.List;
import java.util.Set;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which model a run ends with, and when it ends early because evaluations do not improve. */
public final class BestModelOptions extends OptionGroup {
    private static final String PREFIX = "eval_";
    private static final Set<String> GREATER =
            Set.of("rewards/accuracies", "rewards/margins", "rewards/chosen", "logps/chosen", "mean_token_accuracy");
    private static final Set<String> LESS = Set.of("loss", "kl");

    /** Whether the final model is that of the best checkpoint. */
    @Option(
            names = "--load_best_model_at_end",
            arity = "0..1",
            fallbackValue = "true",
            description = "End with the weights of the best checkpoint, by metric_for_best_model; default"
                    + " ${DEFAULT-VALUE}. save_strategy must be best, or the same as eval_strategy with save_steps a multiple"
                    + " of eval_steps. save_total_limit keeps the best checkpoint.")
    boolean loadBestModelAtEnd = false;

    /** The metric of evaluation by which models are compared, with or without {@code eval_}; null: loss. */
    @Option(
            names = "--metric_for_best_model",
            description =
                    "The metric by which load_best_model_at_end, early stopping, reduce_lr_on_plateau and greedy compare"
                            + " evaluations, such as loss, rewards/accuracies or, of a named set, NAME_loss; default loss.")
    @Nullable
    String metricForBestModel;

    /** Whether greater values are better; null: known for the metrics that are better in one direction. */
    @Option(
            names = "--greater_is_better",
            arity = "0..1",
            fallbackValue = "true",
            description = "Whether greater values of metric_for_best_model are better. Default: true of accuracies,"
                    + " margins and the rewards and log-probs of chosen completions, false of loss and kl.")
    @Nullable
    Boolean greaterIsBetter;

    /** Evaluations without improvement after which the run ends; null: it does not end early. */
    @Option(
            names = "--early_stopping_patience",
            description = "End the run after this number of evaluations, one after another, in which"
                    + " metric_for_best_model did not improve on its best value. Default: the run does not end early.")
    @Nullable
    Integer earlyStoppingPatience;

    /** By how much the metric must improve to count as an improvement. */
    @Option(
            names = "--early_stopping_threshold",
            description = "By how much metric_for_best_model must improve on its best value to reset the count of"
                    + " early_stopping_patience; default ${DEFAULT-VALUE}.")
    double earlyStoppingThreshold = 0;

    /** Whether the run follows the metric. */
    boolean isTracked() {
        return loadBestModelAtEnd || earlyStoppingPatience != null || metricForBestModel != null;
    }

    /** The metric as evaluations name it: {@code eval_loss}. */
    String metric() {
        String given = metricForBestModel == null ? "loss" : metricForBestModel;
        return given.startsWith(PREFIX) ? given : PREFIX + given;
    }

    /** Whether greater values are better. {@code sets}: names of the evaluation sets. */
    boolean isGreaterBetter(List<String> sets) {
        if (greaterIsBetter != null) {
            return greaterIsBetter;
        }
        String name = name(sets);
        if (!GREATER.contains(name) && !LESS.contains(name)) {
            throw new Dpo4jException("metric_for_best_model is " + metricForBestModel
                    + ", which is not known to be better in one direction; set greater_is_better");
        }
        return GREATER.contains(name);
    }

    /** The metric without {@code eval_} and the name of a set. */
    private String name(List<String> sets) {
        String name = metric().substring(PREFIX.length());
        for (String set : sets) {
            if (!set.isEmpty() && name.startsWith(set + "_")) {
                return name.substring(set.length() + 1);
            }
        }
        return name;
    }

    /** Throws, naming the option, if these options do not fit together or to those of evaluation and checkpoints. */
    void check(EvaluationOptions evaluation, CheckpointOptions checkpoint, double loggingSteps) {
        if (earlyStoppingThreshold != 0 && earlyStoppingPatience == null) {
            throw new Dpo4jException("early_stopping_threshold is " + earlyStoppingThreshold
                    + " but early_stopping_patience is not given; give it, or leave early_stopping_threshold out");
        }
        if (!isTracked()) {
            if (checkpoint.saveStrategy == SaveStrategy.BEST) {
                throw new Dpo4jException(
                        "save_strategy is best but metric_for_best_model is not given; set it, for example to loss");
            }
            if (greaterIsBetter != null) {
                throw new Dpo4jException("greater_is_better is given but metric_for_best_model is not; leave it out");
            }
            return;
        }
        EvalStrategy strategy = evaluation.strategy();
        if (strategy == EvalStrategy.NO) {
            throw new Dpo4jException(asked() + " but eval_strategy is no, so there is nothing to compare;"
                    + " set eval_strategy to steps or epoch");
        }
        if (loadBestModelAtEnd && checkpoint.saveStrategy != SaveStrategy.BEST) {
            checkSaves(strategy, evaluation.interval(loggingSteps), checkpoint);
        }
        List<String> sets = evaluation.names();
        if (sets.size() > 1 && sets.stream().noneMatch(set -> metric().startsWith(PREFIX + set + "_"))) {
            throw new Dpo4jException("metric_for_best_model is " + metric().substring(PREFIX.length())
                    + " but eval_dataset has several sets; name one of them: " + sets.get(0) + "_loss");
        }
        isGreaterBetter(sets);
    }

    private String asked() {
        return loadBestModelAtEnd
                ? "load_best_model_at_end is true"
                : earlyStoppingPatience != null
                        ? "early_stopping_patience is " + earlyStoppingPatience
                        : "metric_for_best_model is " + metricForBestModel;
    }

    /** The rules of transformers' TrainingArguments. */
    private static void checkSaves(EvalStrategy strategy, double evalSteps, CheckpointOptions checkpoint) {
        if (!strategy.toString().equals(checkpoint.saveStrategy.toString())) {
            throw new Dpo4jException("load_best_model_at_end is true but eval_strategy is " + strategy
                    + " and save_strategy is " + checkpoint.saveStrategy
                    + "; set both to the same, or save_strategy to best");
        }
        double saveSteps = checkpoint.saveSteps;
        if (strategy != EvalStrategy.STEPS || saveSteps % evalSteps == 0) {
            return;
        }
        boolean areShares = evalSteps < 1 && saveSteps < 1;
        if (!areShares && (evalSteps < 1 || saveSteps < 1)) {
            throw new Dpo4jException("load_best_model_at_end is true but of save_steps " + written(saveSteps)
                    + " and eval_steps " + written(evalSteps) + " one is a share of all steps; give both as steps");
        }
        double scale = 1_000_000; // as transformers, because 0.3 % 0.1 is not 0
        if (!areShares || saveSteps * scale % (evalSteps * scale) != 0) {
            throw new Dpo4jException("load_best_model_at_end is true but save_steps " + written(saveSteps)
                    + " is not a multiple of eval_steps " + written(evalSteps) + "; set it to one");
        }
    }

    private static String written(double value) {
        return value == Math.rint(value) ? Long.toString((long) value) : Double.toString(value);
    }
}
