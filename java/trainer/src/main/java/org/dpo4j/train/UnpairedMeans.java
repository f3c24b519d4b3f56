package org.dpo4j.train;

import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import org.dpo4j.kernels.PreferenceLoss.Metric;

/** The metrics of unpaired losses under the names of TRL's KTOTrainer. Desirable completions are called chosen. */
final class UnpairedMeans {
    private static final Map<String, Metric> NAMES = new LinkedHashMap<>();

    static {
        NAMES.put("loss", Metric.LOSS);
        NAMES.put("kl", Metric.KL);
        NAMES.put("rewards/chosen", Metric.REWARD_CHOSEN);
        NAMES.put("rewards/rejected", Metric.REWARD_REJECTED);
        NAMES.put("logps/chosen", Metric.LOGP_CHOSEN);
        NAMES.put("logps/rejected", Metric.LOGP_REJECTED);
        NAMES.put("logits/chosen", Metric.LOGIT_CHOSEN);
        NAMES.put("logits/rejected", Metric.LOGIT_REJECTED);
        NAMES.put("entropy", Metric.ENTROPY);
        NAMES.put("mean_token_accuracy", Metric.TOKEN_ACCURACY);
        NAMES.put("lengths/chosen", Metric.LENGTH_CHOSEN);
        NAMES.put("lengths/rejected", Metric.LENGTH_REJECTED);
    }

    private UnpairedMeans() {}

    /** The names of all metrics; kl if {@code hasBaseline}. */
    static Set<String> names(boolean hasBaseline) {
        Set<String> names = new LinkedHashSet<>(NAMES.keySet());
        names.add("rewards/margins");
        if (!hasBaseline) {
            names.remove("kl");
        }
        return names;
    }

    /**
     * The mean of each metric over the rows or tokens that have it. Metrics of a label that no row has are left out. The
     * margin is the mean reward of desirable completions minus that of undesirable ones. All are NaN if there is no row,
     * because every step was skipped.
     */
    static Map<String, Double> of(double[] metrics, boolean hasBaseline) {
        Map<String, Double> means = new LinkedHashMap<>();
        if (Metric.LOSS.count(metrics) == 0) {
            names(hasBaseline).forEach(name -> means.put(name, Double.NaN));
            return means;
        }
        NAMES.forEach((name, metric) -> {
            if (metric.count(metrics) > 0) {
                means.put(name, metric.mean(metrics));
            }
        });
        Double chosen = means.get("rewards/chosen");
        Double rejected = means.get("rewards/rejected");
        if (chosen != null && rejected != null) {
            means.put("rewards/margins", chosen - rejected);
        }
        return means;
    }
}
