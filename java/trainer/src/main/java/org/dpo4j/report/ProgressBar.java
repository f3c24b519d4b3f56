package org.dpo4j.report;

import java.time.Duration;
import java.util.Locale;

/** The bar of one phase, as the text that redraws it in place: what, how far, how much longer. */
final class ProgressBar {
    /** Empties the line from where it is on (ECMA-48 EL). */
    private static final String ERASE_REST = "\u001b[K";

    /** Back to the start of the line, and empties it. */
    static final String ERASE = "\r" + ERASE_REST;

    private static final int CELLS = 30;

    private final String phase;
    private final long total;
    private final int columns;
    private final int cells;
    private final long began = System.nanoTime();

    /** {@code columns} of the terminal: a line that filled them would not be redrawn but added to. */
    ProgressBar(String phase, long total, int columns) {
        this.phase = phase;
        this.total = total;
        this.columns = columns;
        int widest = String.format(Locale.ROOT, "%s [] %d/%d  00:00 left", phase, total, total)
                .length();
        this.cells = Math.max(0, Math.min(CELLS, columns - 1 - widest));
    }

    /** Drawn over the last one, so that the line is at no time empty. */
    String line(long done) {
        int full = total == 0 ? cells : (int) (cells * done / total);
        String text = String.format(
                Locale.ROOT,
                "%s [%s%s] %d/%d%s",
                phase,
                "=".repeat(full),
                " ".repeat(cells - full),
                done,
                total,
                time(done));
        return "\r" + text.substring(0, Math.min(text.length(), columns - 1)) + ERASE_REST;
    }

    private String time(long done) {
        long nanos = System.nanoTime() - began;
        if (done == total) {
            return "  took " + written(nanos);
        }
        return done == 0 ? "" : "  " + written((long) (nanos * (double) (total - done) / done)) + " left";
    }

    private static String written(long nanos) {
        Duration time = Duration.ofNanos(nanos);
        return String.format(Locale.ROOT, "%d:%02d", time.toMinutes(), time.toSecondsPart());
    }
}
