package org.dpo4j.train;

import org.dpo4j.train.checkpoint.SavedState;

/**
 * The learning rate of {@code reduce_lr_on_plateau}: it is multiplied by {@code factor} after more than {@code patience}
 * evaluations, one after another, that did not improve on the best value. Formulas, names and defaults are those of
 * PyTorch's {@code ReduceLROnPlateau}.
 */
final class PlateauRate implements MetricRate {
    private static final double MAX = 1e30;

    private final BestMetric best;
    private final double factor;
    private final double minRate;
    private final double minChange;
    private final int patience;
    private final int cooldown;
    private double rate;
    private int withoutImprovement;
    private int cooling;

    /** Throws, naming the key, if a value is not allowed. */
    PlateauRate(OptionMap values, double peak) {
        ScheduleKwargs kwargs = new ScheduleKwargs(LrSchedulerType.REDUCE_LR_ON_PLATEAU, values);
        best = new BestMetric(kwargs, 1e-4, "rel");
        factor = kwargs.number("factor", 0.1, 0, Math.nextDown(1.0));
        minRate = kwargs.number("min_lr", 0, 0, MAX);
        minChange = kwargs.number("eps", 1e-8, 0, MAX);
        patience = kwargs.whole("patience", 10, 0);
        cooldown = kwargs.whole("cooldown", 0, 0);
        rate = peak;
    }

    @Override
    public boolean isMax() {
        return best.isMax();
    }

    @Override
    public double rate() {
        return rate;
    }

    @Override
    public void add(double metric) {
        if (best.add(metric)) {
            withoutImprovement = 0;
        } else {
            withoutImprovement++;
        }
        if (cooling > 0) {
            cooling--;
            withoutImprovement = 0;
        }
        if (withoutImprovement > patience) {
            double lower = Math.max(rate * factor, minRate);
            rate = rate - lower > minChange ? lower : rate;
            cooling = cooldown;
            withoutImprovement = 0;
        }
    }

    @Override
    public void state(SavedState saved) {
        saved.real("plateau_rate", () -> rate, value -> rate = value);
        best.state(saved, "plateau_");
        saved.whole(
                "plateau_evaluations_without_improvement",
                () -> withoutImprovement,
                value -> withoutImprovement = (int) value);
        saved.whole("plateau_cooldown", () -> cooling, value -> cooling = (int) value);
    }
}
