package org.dpo4j.bench.device;

/**
 * The time at which a run ends. After it no benchmark begins. A benchmark that is running may run on for some seconds.
 */
final class Deadline {
    private static final double A_YEAR = 365 * 86400.0;

    private final long began = System.nanoTime();
    private final double seconds;
    private final double graceSeconds;

    /**
     * @param seconds from now
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
