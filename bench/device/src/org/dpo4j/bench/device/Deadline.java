package org.dpo4j.bench.device;

/**
 * The time limit of a run. No benchmark starts after it. A benchmark that has started may take {@code graceSeconds} longer.
 */
final class Deadline {
    private static final double A_YEAR = 365 * 86400.0;

    private final long began = System.nanoTime();
    private final double seconds;
    private final double graceSeconds;

    /**
     * @param seconds from now
     * @param graceSeconds after the limit, for the benchmark that is running
     */
    Deadline(double seconds, double graceSeconds) {
        this.seconds = Math.min(seconds, A_YEAR);
        this.graceSeconds = graceSeconds;
    }

    double secondsLeft() {
        return seconds - (System.nanoTime() - began) * 1e-9;
    }

    boolean isOver() {
        return secondsLeft() <= 0;
    }

    double secondsLeftWithGrace() {
        return secondsLeft() + graceSeconds;
    }
}
