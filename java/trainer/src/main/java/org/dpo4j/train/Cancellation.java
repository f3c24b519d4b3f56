package org.dpo4j.train;

import java.util.concurrent.CancellationException;
import org.dpo4j.report.RunListener;

/** The end of a run that was asked to end early. */
final class Cancellation {
    private Cancellation() {}

    /** Throws where the listener wants the run to end. */
    static void check(RunListener listener) {
        if (listener.isCancelled()) {
            throw new CancellationException("the run was cancelled");
        }
    }
}
