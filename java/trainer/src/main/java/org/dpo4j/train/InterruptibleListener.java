package org.dpo4j.train;

import org.dpo4j.report.ForwardingListener;
import org.dpo4j.report.RunListener;

/** Cancels a run when its thread is interrupted, as an executor's {@code shutdownNow} does it. */
final class InterruptibleListener extends ForwardingListener {

    InterruptibleListener(RunListener listener) {
        super(listener);
    }

    @Override
    public boolean isCancelled() {
        return Thread.currentThread().isInterrupted() || super.isCancelled();
    }
}
