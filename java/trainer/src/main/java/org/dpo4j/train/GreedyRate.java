package org.dpo4j.train;

import org.dpo4j.train.checkpoint.SavedState;

/**
 * The learning rate of {@code greedy} (GreedyLR, arXiv 2512.14527): more than {@code patience} consecutive evaluations that improve
 * on the best value divide it by {@code factor}, and as many that do not improve multiply it by {@code factor}. After {@code reset_start}
 * reductions at {@code min_lr}, the rate and all counts return to their first values. Formulas, names and defaults are those of transformers' {@code GreedyLR}.
 */
final class GreedyRate implements MetricRate {
    private static final double MAX = 1e30;
    private static final int MAX_WINDOW = 10_000;

    private final BestMetric best;
    private final double factor;
    private final double minRate;
    private final double maxRate;
    private final double minChange;
    private final int patience;
    private final int cooldown;
    private final int warmup;
    private final int resetStart;
    private final double peak;
    /** The last metrics, in a ring; empty if they are not smoothed. */
    private final double[] window;

    private double rate;
    private int bad;
    private int good;
    private int cooling;
    private int warming;
    private int untilReset;
    private double windowSum;
    private long windowCount;

    /** Throws, naming the key, if a value is not allowed. */
    GreedyRate(OptionMap values, double peak) {
        ScheduleKwargs kwargs = new ScheduleKwargs(LrSchedulerType.GREEDY, values);
        this.peak = peak;
        best = new BestMetric(kwargs, 1e-6, "abs");
        factor = kwargs.number("factor", 0.95, Double.MIN_NORMAL, Math.nextDown(1.0));
        minRate = kwargs.number("min_lr", 1e-3, 0, MAX);
        maxRate = kwargs.number("max_lr", 1, 0, MAX);
        minChange = kwargs.number("eps", 1e-8, 0, MAX);
        patience = kwargs.whole("patience", 10, 0);
        cooldown = kwargs.whole("cooldown", 0, 0);
        warmup = kwargs.whole("warmup", 0, 0);
        resetStart = kwargs.whole("reset_start", 500, 0);
        boolean isSmooth = kwargs.choice("smooth", "false", "true", "false").equals("true");
        int size = (int) kwargs.number("window_size", 50, 1, MAX_WINDOW);
        window = new double[isSmooth ? size : 0];
        rate = peak;
        untilReset = resetStart;
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
        double current = window.length == 0 ? metric : smoothed(metric);
        if (cooling > 0 || warming > 0) {
            if (cooling > 0) {
                cooling--;
            } else {
                warming--;
            }
            bad = 0;
            good = 0;
            return;
        }
        if (best.add(current)) {
            bad = 0;
            good++;
        } else {
            bad++;
            good = 0;
        }
        if (good > patience) {
            increase();
            warming = warmup;
            good = 0;
        } else if (bad > patience) {
            reduce();
        }
    }

    /** The mean of the last metrics, from a running sum. */
    private double smoothed(double metric) {
        int at = (int) (windowCount % window.length);
        windowSum += metric;
        if (windowCount >= window.length) {
            windowSum -= window[at];
        }
        window[at] = metric;
        windowCount++;
        return windowSum / Math.min(windowCount, window.length);
    }

    private void increase() {
        double higher = Math.min(rate / factor, maxRate);
        rate = higher - rate > minChange ? higher : rate;
        untilReset = resetStart;
    }

    /** At the minimum rate, counts down to the reset. The cooldown begins after a reset, too. */
    private void reduce() {
        double lower = Math.max(rate * factor, minRate);
        rate = rate - lower > minChange ? lower : rate;
        if (rate <= minRate) {
            untilReset--;
            if (untilReset <= 0) {
                reset();
            }
        }
        cooling = cooldown;
        bad = 0;
    }

    private void reset() {
        rate = peak;
        best.reset();
        bad = 0;
        good = 0;
        cooling = 0;
        warming = 0;
        untilReset = resetStart;
        windowSum = 0;
        windowCount = 0;
    }

    @Override
    public void state(SavedState saved) {
        saved.real("greedy_rate", () -> rate, value -> rate = value);
        best.state(saved, "greedy_");
        saved.whole("greedy_bad", () -> bad, value -> bad = (int) value);
        saved.whole("greedy_good", () -> good, value -> good = (int) value);
        saved.whole("greedy_cooldown", () -> cooling, value -> cooling = (int) value);
        saved.whole("greedy_warmup", () -> warming, value -> warming = (int) value);
        saved.whole("greedy_until_reset", () -> untilReset, value -> untilReset = (int) value);
        // as bits: a metric may be NaN
        saved.whole(
                "greedy_window_sum",
                () -> Double.doubleToRawLongBits(windowSum),
                value -> windowSum = Double.longBitsToDouble(value));
        saved.whole("greedy_window_count", () -> windowCount, value -> windowCount = value);
        for (int i = 0; i < window.length; i++) {
            int at = i;
            saved.whole(
                    "greedy_window_" + i,
                    () -> Double.doubleToRawLongBits(window[at]),
                    value -> window[at] = Double.longBitsToDouble(value));
        }
    }
}
