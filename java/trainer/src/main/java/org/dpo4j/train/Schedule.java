package org.dpo4j.train;

import static java.lang.Math.PI;
import static java.lang.Math.cos;
import static java.lang.Math.max;
import static java.lang.Math.pow;
import static java.lang.Math.sqrt;

import java.util.Locale;
import java.util.function.DoubleUnaryOperator;
import java.util.function.IntToDoubleFunction;
import org.dpo4j.kernels.Dpo4jException;

/**
 * Learning rate of every optimizer step, as in transformers' {@code get_scheduler}: the rate of step {@code t}, counted
 * from 0, is {@code peak * f(t)}. During a warm-up of {@code w} steps, {@code f(t) = t / max(1, w)} unless the type says
 * otherwise. So the rate of the first step of a warm-up is 0. The rates of {@code reduce_lr_on_plateau} depend on
 * evaluations; here they are the peak.
 */
public final class Schedule {
    private static final double MAX = 1e30;

    private final LrSchedulerType type;
    private final OptionMap kwargs;
    private final double peak;
    private final int warmup;
    private final int steps;
    private final IntToDoubleFunction factor;

    /** A schedule with the defaults of {@code lr_scheduler_kwargs}. */
    public Schedule(LrSchedulerType type, double peak, int warmup, int steps) {
        this(type, OptionMap.EMPTY, peak, warmup, steps);
    }

    /**
     * Throws, naming the option, if a value is not allowed.
     *
     * @param type shape of the rate over the run
     * @param kwargs {@code lr_scheduler_kwargs}: parameters of the shape
     * @param peak maximum rate
     * @param warmup steps of the warm-up
     * @param steps optimizer steps of the run
     */
    public Schedule(LrSchedulerType type, OptionMap kwargs, double peak, int warmup, int steps) {
        if (warmup > steps) {
            throw new Dpo4jException("warmup_steps is " + warmup + " but the run has " + steps + " steps; lower it");
        }
        if (warmup > 0 && (type == LrSchedulerType.CONSTANT || type.followsMetric())) {
            throw new Dpo4jException("lr_scheduler_type " + type + " has no warm-up; "
                    + (type == LrSchedulerType.CONSTANT ? "set it to constant_with_warmup, or " : "")
                    + "leave warmup_steps and warmup_ratio out");
        }
        this.type = type;
        this.kwargs = kwargs;
        this.peak = peak;
        this.warmup = warmup;
        this.steps = steps;
        this.factor = factor(new ScheduleKwargs(type, kwargs));
    }

    /** Steps of the warm-up. */
    public int warmup() {
        return warmup;
    }

    /** Optimizer steps of the run. */
    public int steps() {
        return steps;
    }

    /** Whether another number of steps changes the rates of steps. */
    boolean isScaledToSteps() {
        return type != LrSchedulerType.CONSTANT
                && type != LrSchedulerType.CONSTANT_WITH_WARMUP
                && !type.followsMetric()
                && type != LrSchedulerType.INVERSE_SQRT;
    }

    /** The rate of step {@code step}, counted from 0. */
    public double rate(int step) {
        return peak * factor.applyAsDouble(step);
    }

    private IntToDoubleFunction factor(ScheduleKwargs kwargs) {
        return switch (type) {
            case LINEAR -> afterWarmup(progress -> max(0, 1 - progress));
            case COSINE -> afterWarmup(cosine(kwargs, 0));
            case COSINE_WITH_RESTARTS -> afterWarmup(restarts(kwargs));
            case POLYNOMIAL -> afterWarmup(polynomial(kwargs));
            case CONSTANT, CONSTANT_WITH_WARMUP, REDUCE_LR_ON_PLATEAU, GREEDY -> afterWarmup(progress -> 1);
            case INVERSE_SQRT -> inverseSquareRoot(kwargs);
            case COSINE_WITH_MIN_LR -> afterWarmup(cosine(kwargs, minRate(kwargs)));
            case COSINE_WARMUP_WITH_MIN_LR -> cosineAfterRaisedWarmup(kwargs);
            case WARMUP_STABLE_DECAY -> stableThenDecay(kwargs);
        };
    }

    /** A linear warm-up from 0, then a function of the progress in [0, 1) after it. */
    private IntToDoubleFunction afterWarmup(DoubleUnaryOperator shape) {
        return step -> step < warmup
                ? (double) step / max(1, warmup)
                : shape.applyAsDouble((double) (step - warmup) / max(1, steps - warmup));
    }

    private static DoubleUnaryOperator cosine(ScheduleKwargs kwargs, double min) {
        double cycles = kwargs.number("num_cycles", 0.5, 0, MAX);
        return progress -> max(0, 0.5 * (1 + cos(PI * cycles * 2 * progress)) * (1 - min) + min);
    }

    private static DoubleUnaryOperator restarts(ScheduleKwargs kwargs) {
        int cycles = kwargs.whole("num_cycles", 1, 1);
        return progress -> max(0, 0.5 * (1 + cos(PI * (cycles * progress % 1))));
    }

    private DoubleUnaryOperator polynomial(ScheduleKwargs kwargs) {
        double end = kwargs.number("lr_end", 1e-7, 0, MAX);
        double power = kwargs.number("power", 1, 0, MAX);
        if (!(end < peak)) {
            throw new Dpo4jException("lr_scheduler_type polynomial ends at lr_end " + end
                    + ", which is not below learning_rate " + peak + "; lower lr_end in lr_scheduler_kwargs");
        }
        return progress -> ((peak - end) * pow(1 - progress, power) + end) / peak;
    }

    private IntToDoubleFunction inverseSquareRoot(ScheduleKwargs kwargs) {
        int timescale = kwargs.whole("timescale", warmup > 0 ? warmup : 10_000, 1);
        return step -> step < warmup
                ? (double) step / max(1, warmup)
                : 1 / sqrt((double) (step + timescale - warmup) / timescale);
    }

    /** The minimum of the rate over the peak. */
    private double minRate(ScheduleKwargs kwargs) {
        if (kwargs.has("min_lr") == kwargs.has("min_lr_rate")) {
            throw new Dpo4jException("lr_scheduler_type " + type
                    + " needs one of min_lr and min_lr_rate; give it in lr_scheduler_kwargs");
        }
        if (kwargs.has("min_lr_rate")) {
            return kwargs.number("min_lr_rate", 0, 0, 1);
        }
        double min = kwargs.number("min_lr", 0, 0, MAX);
        if (!(peak > 0) || min > peak) {
            throw new Dpo4jException("lr_scheduler_kwargs: min_lr is " + min + ", but learning_rate is " + peak
                    + "; lower min_lr, or give min_lr_rate");
        }
        return min / peak;
    }

    /** The warm-up begins above 0, and the cosine is one step ahead of that of {@code cosine_with_min_lr}. */
    private IntToDoubleFunction cosineAfterRaisedWarmup(ScheduleKwargs kwargs) {
        DoubleUnaryOperator cosine = cosine(kwargs, minRate(kwargs));
        double first = kwargs.number("warmup_lr_rate", -1, 0, 1);
        return step -> {
            if (step >= warmup) {
                return cosine.applyAsDouble((step - warmup + 1.0) / max(1, steps - warmup));
            }
            return first < 0 ? (step + 1.0) / warmup : first + (1 - first) * step / max(1, warmup - 1);
        };
    }

    private IntToDoubleFunction stableThenDecay(ScheduleKwargs kwargs) {
        int decay = kwargs.required("num_decay_steps", 0);
        int stable = kwargs.whole("num_stable_steps", steps - warmup - decay, 0);
        double min = kwargs.number("min_lr_ratio", 0, 0, 1);
        DoubleUnaryOperator rise = switch (kwargs.choice("warmup_type", "linear", "linear", "cosine", "1-sqrt")) {
            case "linear" -> progress -> progress;
            case "cosine" -> progress -> 0.5 * (1 - cos(PI * progress));
            default -> progress -> 1 - sqrt(1 - progress);
        };
        double cycles = kwargs.number("num_cycles", 0.5, 0, MAX);
        DoubleUnaryOperator fall = switch (kwargs.choice("decay_type", "cosine", "linear", "cosine", "1-sqrt")) {
            case "linear" -> progress -> 1 - progress;
            case "cosine" -> progress -> 0.5 * (1 + cos(PI * cycles * 2 * progress));
            default -> progress -> 1 - sqrt(progress);
        };
        if (stable < 0) {
            throw new Dpo4jException("lr_scheduler_type " + type + ": warm-up " + warmup + " and num_decay_steps "
                    + decay + " exceed the run's " + steps + " steps; lower one of them");
        }
        return step -> {
            if (step < warmup) {
                return max(0, rise.applyAsDouble((double) step / max(1, warmup)) * (1 - min) + min);
            }
            int decayed = step - warmup - stable;
            if (decayed < 0) {
                return 1;
            }
            return decayed < decay
                    ? max(0, fall.applyAsDouble((double) decayed / max(1, decay)) * (1 - min) + min)
                    : min;
        };
    }

    /** One line for a run header. */
    @Override
    public String toString() {
        return String.format(
                Locale.ROOT,
                "learning rate %s, %s%s, warm-up %d",
                peak,
                type,
                kwargs.isEmpty() ? "" : " (" + kwargs + ")",
                warmup);
    }
}
