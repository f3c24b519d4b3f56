package org.dpo4j.report;

import java.time.Duration;
import java.util.Locale;

/** The progress bar of one phase, as text that redraws it in place: name, progress, time left, units per second. */
final class ProgressBar {
    /** Erases from the cursor to the end of the line (ECMA-48 EL). */
    private static final String ERASE_REST = "\u001b[K";

    /** Moves to the start of the line and erases it. */
    static final String ERASE = "\r" + ERASE_REST;

    private static final int CELLS = 30;

    /** Slower phases are not shown with their speed, because a step or an epoch is no unit of speed. */
    private static final double MIN_SHOWN_SPEED = 10;

    private final String phase;
    private final long first;
    private final int columns;
    private final int cells;
    private final long began = System.nanoTime();

    /**
     * A bar that is first drawn now. {@code total} may change later, if it is an estimate.
     *
     * @param first units that are done now
     * @param columns width of the terminal. The bar leaves one column free, because a full line would wrap
     */
    ProgressBar(String phase, long first, long total, int columns) {
        this.phase = phase;
        this.first = first;
        this.columns = columns;
        int maxWidth = String.format(Locale.ROOT, "%s [] %d/%d  00:00 left, 10,000/s", phase, total, total)
                .length();
        this.cells = Math.max(0, Math.min(CELLS, columns - 1 - maxWidth));
    }

    /** The text that draws the bar over the previous one, without erasing it first, to avoid flicker. */
    String line(long done, long total) {
        int full = total == 0 ? cells : (int) (cells * Math.min(done, total) / total);
        String text = String.format(
                Locale.ROOT,
                "%s [%s%s] %d/%d%s",
                phase,
                "=".repeat(full),
                " ".repeat(cells - full),
                done,
                total,
                time(done, total));
        return "\r" + text.substring(0, Math.min(text.length(), columns - 1)) + ERASE_REST;
    }

    /** The same without a bar, for a line of its own. */
    String text(long done, long total) {
        return String.format(Locale.ROOT, "%s: %d/%d%s", phase, done, total, time(done, total));
    }

    private String time(long done, long total) {
        long nanos = System.nanoTime() - began;
        if (done == total) {
            return first == 0 ? "  took " + written(nanos) : "";
        }
        double left = nanos * (double) (total - done) / (done - first);
        return done == first ? "" : "  " + written((long) left) + " left" + speed((done - first) / (1e-9 * nanos));
    }

    private static String speed(double perSecond) {
        return perSecond < MIN_SHOWN_SPEED ? "" : String.format(Locale.ROOT, ", %,.0f/s", perSecond);
    }

    private static String written(long nanos) {
        Duration time = Duration.ofNanos(nanos);
        return String.format(Locale.ROOT, "%d:%02d", time.toMinutes(), time.toSecondsPart());
    }
}
