package org.dpo4j.train;

import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunHeader;
import org.dpo4j.report.RunListener;

/**
 * A listener whose run an interrupt of its thread cancels as well: what an executor's {@code shutdownNow} does.
 *
 * @param listener who hears of the run
 */
record InterruptibleListener(RunListener listener) implements RunListener {

    @Override
    public void metrics(Metrics metrics) {
        listener.metrics(metrics);
    }

    @Override
    public void header(RunHeader header) {
        listener.header(header);
    }

    @Override
    public void progress(String phase, long done, long total) {
        listener.progress(phase, done, total);
    }

    @Override
    public void notice(String line) {
        listener.notice(line);
    }

    @Override
    public boolean isCancelled() {
        return Thread.currentThread().isInterrupted() || listener.isCancelled();
    }

    @Override
    public boolean isSaveTriedAgain(String why) {
        return listener.isSaveTriedAgain(why);
    }
}
