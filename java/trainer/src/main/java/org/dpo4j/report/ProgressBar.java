package org.dpo4j.report;

import java.time.Duration;
import java.util.Locale;

/** The bar of one phase, as the text that redraws it in place: what, how far, how much longer. */
final class ProgressBar {
    /** Back to the start of the line, and empties it (ECMA-48 CR, EL). */
    static final String ERASE = "\r\u001b[K";

    private static final int CELLS = 30;

    private final String phase;
    private final long total;
    private final long began = System.nanoTime();

    ProgressBar(String phase, long total) {
        this.phase = phase;
        this.total = total;
    }

    String line(long done) {
        int full = total == 0 ? CELLS : (int) (CELLS * done / total);
        return ERASE
                + String.format(
                        Locale.ROOT,
                        "%s [%s%s] %d/%d%s",
                        phase,
                        "=".repeat(full),
                        " ".repeat(CELLS - full),
                        done,
                        total,
                        remaining(done));
    }

    private String remaining(long done) {
        if (done == 0) {
            return "";
        }
        double nanos = (System.nanoTime() - began) * (double) (total - done) / done;
        Duration left = Duration.ofNanos((long) nanos);
        return String.format(Locale.ROOT, "  %d:%02d left", left.toMinutes(), left.toSecondsPart());
    }
}
