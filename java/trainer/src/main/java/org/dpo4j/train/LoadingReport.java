package org.dpo4j.train;

import java.util.function.LongSupplier;
import org.dpo4j.model.LoadProgress;
import org.dpo4j.report.RunListener;

/**
 * Shows how many MB are loaded, once loading has taken a second. If the run is cancelled, it ends the load.
 */
public final class LoadingReport implements LoadProgress {
    private static final long SILENT_NANOS = 1_000_000_000;
    private static final long BETWEEN_NANOS = 100_000_000;
    private static final long MB = 1_000_000;

    private final RunListener listener;
    private final String phase;
    private final LongSupplier nanoTime;
    private final long began;
    private long last;
    private long lastShown;
    private boolean isReported;

    /** Shows the load of weights. */
    public LoadingReport(RunListener listener) {
        this(listener, "MB of weights loaded");
    }

    /** @param phase what is counted, in MB */
    public LoadingReport(RunListener listener, String phase) {
        this(listener, phase, System::nanoTime);
    }

    LoadingReport(RunListener listener, String phase, LongSupplier nanoTime) {
        this.listener = listener;
        this.phase = phase;
        this.nanoTime = nanoTime;
        this.began = nanoTime.getAsLong();
    }

    private static long rounded(long bytes) {
        return (bytes + MB - 1) / MB;
    }

    @Override
    public void loaded(long done, long total) {
        long now = nanoTime.getAsLong();
        boolean isDue = isReported ? done == total || now - last >= BETWEEN_NANOS : now - began > SILENT_NANOS;
        long shown = done == total ? rounded(total) : done / MB;
        if (isDue && (isReported ? shown > lastShown : done < total)) {
            isReported = true;
            last = now;
            lastShown = shown;
            Cancellation.check(listener);
            listener.progress(phase, shown, rounded(total));
        }
    }
}
