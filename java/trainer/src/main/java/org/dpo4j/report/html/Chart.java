package org.dpo4j.report.html;

import java.util.List;
import java.util.Locale;

/**
 * Lines over the steps of a run.
 *
 * @param title heading
 * @param note what the numbers are and their unit; may be empty
 * @param isShare whether values are shares from 0 to 1, shown in percent
 * @param series lines
 */
record Chart(String title, String note, boolean isShare, List<Series> series) {
    Chart {
        series = List.copyOf(series);
    }

    /** The id of its figure. */
    String id() {
        return "chart-" + title.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]+", "-");
    }
}
