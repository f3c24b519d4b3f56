package org.dpo4j.train;

import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.dpo4j.kernels.PreferenceLoss.Metric;

/** The metrics of preference losses under TRL's names, and those of length bias, which TRL has not. */
final class PreferenceMeans {
    private static final String REWARDS = "rewards/";

    /**
     * The correlation over pairs of the reward margin with the length difference, tokens of chosen minus tokens of
     * rejected. Near 1, the model prefers the longer of two completions.
     */
    private static final String LENGTH_CORRELATION = "lengths/margin_correlation";

    /** Variances below this share of the mean square are roundings of fp64 sums. */
    private static final double MIN_VARIANCE = 0x1p-40;

    private static final Map<String, Metric> NAMES = new LinkedHashMap<>();

    static {
        NAMES.put("loss", Metric.LOSS);
        NAMES.put("rewards/chosen", Metric.REWARD_CHOSEN);
        NAMES.put("rewards/rejected", Metric.REWARD_REJECTED);
        NAMES.put("rewards/accuracies", Metric.ACCURACY);
        NAMES.put("rewards/margins", Metric.MARGIN);
        NAMES.put("logps/chosen", Metric.LOGP_CHOSEN);
        NAMES.put("logps/rejected", Metric.LOGP_REJECTED);
        NAMES.put("logits/chosen", Metric.LOGIT_CHOSEN);
        NAMES.put("logits/rejected", Metric.LOGIT_REJECTED);
        NAMES.put("entropy", Metric.ENTROPY);
        NAMES.put("mean_token_accuracy", Metric.TOKEN_ACCURACY);
        NAMES.put("lengths/chosen", Metric.LENGTH_CHOSEN);
        NAMES.put("lengths/rejected", Metric.LENGTH_REJECTED);
    }

    private PreferenceMeans() {}

    /** The names of all metrics; those of rewards if {@code hasRewards}. */
    static Set<String> names(boolean hasRewards) {
        Set<String> names = NAMES.keySet().stream()
                .filter(name -> hasRewards || !name.startsWith(REWARDS))
                .collect(Collectors.toCollection(LinkedHashSet::new));
        if (hasRewards) {
            names.add(LENGTH_CORRELATION);
        }
        return names;
    }

    /**
     * The mean of each metric that has a count above 0; NaN for all if there is no pair, because every step was skipped.
     * Leaves rewards out unless {@code hasRewards}, and a correlation that is not defined, because margins or length
     * differences are the same in all pairs, as margins are before the first step.
     */
    static Map<String, Double> of(double[] metrics, boolean hasRewards) {
        Map<String, Double> means = new LinkedHashMap<>();
        boolean isEmpty = Metric.LOSS.count(metrics) == 0;
        NAMES.forEach((name, metric) -> {
            if ((isEmpty || metric.count(metrics) > 0) && (hasRewards || !name.startsWith(REWARDS))) {
                means.put(name, metric.mean(metrics));
            }
        });
        double correlation = lengthCorrelation(metrics);
        if (hasRewards && (isEmpty || Double.isFinite(correlation))) {
            means.put(LENGTH_CORRELATION, correlation);
        }
        return means;
    }

    /** NaN if it is not defined. */
    private static double lengthCorrelation(double[] metrics) {
        double length = Metric.LENGTH_CHOSEN.mean(metrics) - Metric.LENGTH_REJECTED.mean(metrics);
        double margin = Metric.MARGIN.mean(metrics);
        double covariance = Metric.MARGIN_LENGTH.mean(metrics) - length * margin;
        double variances = variance(Metric.LENGTH_SQUARE.mean(metrics), length)
                * variance(Metric.MARGIN_SQUARE.mean(metrics), margin);
        return Math.max(-1, Math.min(1, covariance / Math.sqrt(variances)));
    }

    private static double variance(double meanSquare, double mean) {
        double variance = meanSquare - mean * mean;
        return variance > MIN_VARIANCE * meanSquare ? variance : Double.NaN;
    }
}
