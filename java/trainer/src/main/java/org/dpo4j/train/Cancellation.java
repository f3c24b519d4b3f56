package org.dpo4j.train;

import java.util.concurrent.CancellationException;
import org.dpo4j.report.RunListener;

/** Ends a run that was asked to end early. */
final class Cancellation {
    private Cancellation() {}

    /** Throws {@link CancellationException} if the listener cancels the run. */
    static void check(RunListener listener) {
        if (listener.isCancelled()) {
            throw new CancellationException("the run was cancelled");
        }
    }
}
