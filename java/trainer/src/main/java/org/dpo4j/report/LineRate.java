package org.dpo4j.report;

import java.util.function.LongSupplier;

/** Bounds how often lines are printed: a number of lines at once, and one per interval on average. */
final class LineRate {
    private final int burst;
    private final long interval;
    private final LongSupplier clock;
    private double allowed;
    private long last;

    /**
     * A rate that allows {@code burst} lines now.
     *
     * @param interval nanoseconds between lines once these are used up
     * @param clock nanoseconds, as {@link System#nanoTime}
     */
    LineRate(int burst, long interval, LongSupplier clock) {
        this.burst = burst;
        this.interval = interval;
        this.clock = clock;
        this.allowed = burst;
        this.last = clock.getAsLong();
    }

    /** Whether a line may be printed now; counts it if so. */
    boolean isAllowed() {
        long now = clock.getAsLong();
        allowed = Math.min(burst, allowed + (now - last) / (double) interval);
        last = now;
        if (allowed < 1) {
            return false;
        }
        allowed--;
        return true;
    }
}
