package org.dpo4j.train;

import java.util.Locale;
import org.dpo4j.kernels.Dpo4jException;

/**
 * Learning rate of every optimizer step, as in transformers' {@code get_scheduler}: the rate of step {@code t}, counted
 * from 0, is {@code peak * f(t)}. During a warm-up of {@code w} steps, {@code f(t) = t / max(1, w)}. So the rate of the
 * first step of a warm-up is 0.
 *
 * @param type shape after the warm-up
 * @param peak maximum rate
 * @param warmup steps of the warm-up
 * @param steps optimizer steps of the run
 */
public record Schedule(LrSchedulerType type, double peak, int warmup, int steps) {

    public Schedule {
        if (warmup > steps) {
            throw new Dpo4jException("warmup_steps is " + warmup + " but the run has " + steps + " steps; lower it");
        }
        if (type == LrSchedulerType.CONSTANT && warmup > 0) {
            throw new Dpo4jException(
                    "lr_scheduler_type constant has no warm-up; set it to constant_with_warmup, or leave warmup_steps"
                            + " and warmup_ratio out");
        }
    }

    /** The rate of step {@code step}, counted from 0. */
    public double rate(int step) {
        if (step < warmup) {
            return peak * step / Math.max(1, warmup);
        }
        double progress = (double) (step - warmup) / Math.max(1, steps - warmup);
        return peak
                * switch (type) {
                    case LINEAR -> Math.max(0, 1 - progress);
                    case COSINE -> Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
                    case CONSTANT, CONSTANT_WITH_WARMUP -> 1;
                };
    }

    /** One line for a run header. */
    @Override
    public String toString() {
        return String.format(Locale.ROOT, "learning rate %s, %s, warm-up %d", peak, type, warmup);
    }
}
