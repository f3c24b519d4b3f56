package org.dpo4j.bench.device;

import java.util.concurrent.TimeUnit;

/** Runs an action on its own thread after a time limit, unless it is closed before. */
final class Watch implements AutoCloseable {
    private final Thread thread;

    Watch(double seconds, Runnable action) {
        thread = new Thread(
                () -> {
                    try {
                        TimeUnit.MILLISECONDS.sleep((long) (1e3 * Math.max(0, seconds)));
                        action.run();
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt(); // closed before the limit
                    }
                },
                "watch");
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void close() {
        thread.interrupt();
    }
}
