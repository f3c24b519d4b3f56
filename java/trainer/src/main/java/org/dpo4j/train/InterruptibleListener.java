package org.dpo4j.train;

import org.dpo4j.report.ForwardingListener;
import org.dpo4j.report.RunListener;

/** Cancels a run if its thread is interrupted, for example by an executor's {@code shutdownNow}. */
final class InterruptibleListener extends ForwardingListener {

    InterruptibleListener(RunListener listener) {
        super(listener);
    }

    @Override
    public boolean isCancelled() {
        return Thread.currentThread().isInterrupted() || super.isCancelled();
    }
}
