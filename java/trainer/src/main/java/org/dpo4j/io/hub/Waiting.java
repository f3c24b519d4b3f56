package org.dpo4j.io.hub;

import java.time.Duration;
import java.util.concurrent.CancellationException;

/** Waits so that a listener or an interrupt can end the wait. */
@FunctionalInterface
interface Waiting {
    /** Time between two calls of {@link HubListener#waiting}. */
    Duration SLICE = Duration.ofMillis(500);

    /** Waits with the thread's clock. */
    Waiting SLEEP = (wait, listener) -> {
        for (long left = wait.toMillis(); left > 0; left -= SLICE.toMillis()) {
            listener.waiting();
            try {
                Thread.sleep(Math.min(left, SLICE.toMillis()));
            } catch (InterruptedException e) {
                throw interrupted(e);
            }
        }
    };

    void pause(Duration wait, HubListener listener);

    /** A time limit in words. */
    static String words(Duration limit) {
        long millis = limit.toMillis();
        return (millis % 1000 == 0 ? String.valueOf(millis / 1000) : String.valueOf(millis / 1e3)) + " s";
    }

    /** The end of a download whose thread was interrupted. */
    static CancellationException interrupted(InterruptedException e) {
        Thread.currentThread().interrupt();
        CancellationException end = new CancellationException("the download was interrupted");
        end.initCause(e);
        return end;
    }
}
