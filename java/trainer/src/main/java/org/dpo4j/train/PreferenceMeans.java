package org.dpo4j.train;

import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.dpo4j.kernels.PreferenceLoss.Metric;

/** The metrics of preference losses under TRL's names. */
final class PreferenceMeans {
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
    }

    private PreferenceMeans() {}

    /** The names of all metrics; those of rewards if {@code hasRewards}. */
    static Set<String> names(boolean hasRewards) {
        return NAMES.keySet().stream()
                .filter(name -> hasRewards || !name.startsWith("rewards/"))
                .collect(Collectors.toCollection(LinkedHashSet::new));
    }

    /** The mean of each metric that has a count above 0. Leaves rewards out unless {@code hasRewards}. */
    static Map<String, Double> of(double[] metrics, boolean hasRewards) {
        Map<String, Double> means = new LinkedHashMap<>();
        NAMES.forEach((name, metric) -> {
            if (metric.count(metrics) > 0 && (hasRewards || !name.startsWith("rewards/"))) {
                means.put(name, metric.mean(metrics));
            }
        });
        return means;
    }
}
