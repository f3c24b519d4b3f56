package org.dpo4j.train;

import java.util.Map;
import java.util.function.LongSupplier;
import org.dpo4j.data.ReadListener;
import org.dpo4j.report.RunListener;

/**
 * Shows how many rows of a file are converted, once that has taken a second. The total is estimated from the bytes that have
 * been read. The size of a pipe is unknown, so its
 * progress is not shown. If the run is cancelled, it ends reading.
 */
public final class ReadingReport implements ReadListener {
    private static final long SILENT_NANOS = 1_000_000_000;
    private static final long BETWEEN_NANOS = 100_000_000;

    private final String phase;
    private final String fact;
    private final RunListener listener;
    private final Map<String, String> facts;
    private final LongSupplier nanoTime;
    private final long began;
    private long last;
    private long reported;
    private boolean isReported;

    /**
     * A report on one file.
     *
     * @param rows name of the rows, such as eval pairs
     * @param facts facts of the run header, to which the fact about the store of the rows is added
     */
    public ReadingReport(String rows, RunListener listener, Map<String, String> facts) {
        this(rows, listener, facts, System::nanoTime);
    }

    ReadingReport(String rows, RunListener listener, Map<String, String> facts, LongSupplier nanoTime) {
        this.phase = rows + " converted";
        this.fact = rows + " stored";
        this.listener = listener;
        this.facts = facts;
        this.nanoTime = nanoTime;
        this.began = nanoTime.getAsLong();
    }

    @Override
    public void converted(long rows, double share) {
        Cancellation.check(listener);
        if (!(share > 0)) {
            return; // the size is unknown
        }
        long now = nanoTime.getAsLong();
        boolean isDue = isReported ? now - last >= BETWEEN_NANOS : now - began > SILENT_NANOS;
        if (isDue && share < 1) {
            isReported = true;
            last = now;
            reported = Math.round(rows / share);
            listener.progress(phase, rows, reported);
        } else if (isReported && share == 1 && reported != rows) {
            reported = rows;
            listener.progress(phase, rows, rows);
        }
    }

    @Override
    public void stored(String line) {
        facts.put(fact, line);
    }

    @Override
    public void notice(String line) {
        listener.notice(line);
    }
}
