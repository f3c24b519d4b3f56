package org.dpo4j.bench.device;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Formats numbers and parameters for tables. */
final class Quantity {
    private Quantity() {}

    static String time(double microseconds) {
        if (microseconds < 1) {
            return number("%.1f ns", microseconds * 1e3);
        }
        return microseconds < 1e3 ? number("%.1f us", microseconds) : number("%.1f ms", microseconds / 1e3);
    }

    /** Median, p20 and p80 of a row. */
    static String times(JsonNode row) {
        return time(row.path("median_us").asDouble()) + " ("
                + time(row.path("p20_us").asDouble()) + " to "
                + time(row.path("p80_us").asDouble()) + ")";
    }

    /** Parameters of a row: {@code rows 8192, width 4096}. */
    static String parameters(JsonNode row) {
        List<String> texts = new ArrayList<>();
        row.path("parameters")
                .properties()
                .forEach(each -> texts.add(each.getKey() + " " + each.getValue().asText()));
        return String.join(", ", texts);
    }

    static String number(String format, double value) {
        return String.format(Locale.ROOT, format, value);
    }
}
