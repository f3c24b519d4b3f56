package org.dpo4j.train;

import java.util.List;

/** Schedule of the learning rate over a run, under the names of transformers' {@code SchedulerType}. */
public enum LrSchedulerType {
    /** Warm-up, then a straight line to 0. */
    LINEAR("linear"),
    /** Warm-up, then {@code num_cycles} waves of a cosine; by default half a wave, to 0. */
    COSINE("cosine", "num_cycles"),
    /** Warm-up, then {@code num_cycles} times half a cosine to 0. */
    COSINE_WITH_RESTARTS("cosine_with_restarts", "num_cycles"),
    /** Warm-up, then a polynomial of degree {@code power} to {@code lr_end}. */
    POLYNOMIAL("polynomial", "lr_end", "power"),
    /** The peak rate from the first step on; warm-up is refused. */
    CONSTANT("constant"),
    /** Warm-up, then the peak rate. */
    CONSTANT_WITH_WARMUP("constant_with_warmup"),
    /** Warm-up, then the inverse square root of the step over {@code timescale}. */
    INVERSE_SQRT("inverse_sqrt", "timescale"),
    /** As {@link #COSINE}, to {@code min_lr} or {@code min_lr_rate} times the peak. */
    COSINE_WITH_MIN_LR("cosine_with_min_lr", "num_cycles", "min_lr", "min_lr_rate"),
    /** The same, with a warm-up that begins at {@code warmup_lr_rate} times the peak instead of 0. */
    COSINE_WARMUP_WITH_MIN_LR("cosine_warmup_with_min_lr", "num_cycles", "min_lr", "min_lr_rate", "warmup_lr_rate"),
    /** Warm-up, the peak rate for {@code num_stable_steps}, then {@code num_decay_steps} of decay. */
    WARMUP_STABLE_DECAY(
            "warmup_stable_decay",
            "num_decay_steps",
            "num_stable_steps",
            "warmup_type",
            "decay_type",
            "min_lr_ratio",
            "num_cycles"),
    /** The peak rate, lowered when {@code metric_for_best_model} stops improving; warm-up is refused. */
    REDUCE_LR_ON_PLATEAU(
            "reduce_lr_on_plateau",
            "mode",
            "factor",
            "patience",
            "threshold",
            "threshold_mode",
            "cooldown",
            "min_lr",
            "eps"),
    /** The peak rate, raised while {@code metric_for_best_model} improves, and lowered when it stops; warm-up is refused. */
    GREEDY(
            "greedy",
            "mode",
            "factor",
            "patience",
            "threshold",
            "threshold_mode",
            "cooldown",
            "warmup",
            "min_lr",
            "max_lr",
            "eps",
            "smooth",
            "window_size",
            "reset_start");

    private final String option;
    private final List<String> kwargs;

    LrSchedulerType(String option, String... kwargs) {
        this.option = option;
        this.kwargs = List.of(kwargs);
    }

    /** Whether rates follow a metric ({@link MetricRate}). */
    boolean followsMetric() {
        return this == REDUCE_LR_ON_PLATEAU || this == GREEDY;
    }

    /** Keys of {@code lr_scheduler_kwargs} that this schedule reads. */
    List<String> kwargs() {
        return kwargs;
    }

    /** The value of {@code lr_scheduler_type}. */
    @Override
    public String toString() {
        return option;
    }
}
