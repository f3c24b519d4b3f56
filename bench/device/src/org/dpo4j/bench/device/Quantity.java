package org.dpo4j.bench.device;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Locale;

/** Numbers as tables write them. */
final class Quantity {
    private Quantity() {}

    static String time(double microseconds) {
        if (microseconds < 1) {
            return number("%.1f ns", microseconds * 1e3);
        }
        return microseconds < 1e3 ? number("%.1f us", microseconds) : number("%.1f ms", microseconds / 1e3);
    }

    /** Median of a row, and the times that a fifth, and four fifths, do not exceed. */
    static String times(JsonNode row) {
        return time(row.path("median_us").asDouble()) + " ("
                + time(row.path("p20_us").asDouble()) + " to "
                + time(row.path("p80_us").asDouble()) + ")";
    }

    static String number(String format, double value) {
        return String.format(Locale.ROOT, format, value);
    }
}
