package org.dpo4j.bench.device;

import java.util.concurrent.TimeUnit;

/** When a run is to be over: what has not begun by then does not begin, and what goes on for longer than a grace is cut off. */
final class Deadline implements AutoCloseable {
    private static final double A_YEAR = 365 * 86400.0;

    private final long began = System.nanoTime();
    private final double seconds;
    private final double graceSeconds;
    private final Thread watch = new Thread(this::watch, "deadline");
    private volatile Runnable cut = () -> {};

    /**
     * @param seconds from now
     * @param graceSeconds for what has begun
     */
    Deadline(double seconds, double graceSeconds) {
        this.seconds = Math.min(seconds, A_YEAR);
        this.graceSeconds = graceSeconds;
    }

    /** From now on runs {@code cut}, on a thread of its own, when the grace is over; once. */
    void enforce(Runnable action) {
        cut = action;
        watch.setDaemon(true);
        watch.start();
    }

    double secondsLeft() {
        return seconds - (System.nanoTime() - began) * 1e-9;
    }

    boolean isOver() {
        return secondsLeft() <= 0;
    }

    private void watch() {
        try {
            TimeUnit.MILLISECONDS.sleep((long) (1e3 * Math.max(0, secondsLeft() + graceSeconds)));
            cut.run();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt(); // closed in time
        }
    }

    @Override
    public void close() {
        watch.interrupt();
    }
}
