package org.dpo4j.report;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Metrics after an optimizer step, under TRL's names, in the order in which they are written.
 *
 * @param step optimizer steps done
 * @param values by name
 */
public record Metrics(int step, Map<String, Double> values) {

    public Metrics {
        values = Collections.unmodifiableMap(new LinkedHashMap<>(values));
    }

    /** One line for a person: step, then every metric; whole numbers in full, others with four digits. */
    @Override
    public String toString() {
        return values.entrySet().stream()
                .map(metric -> metric.getKey() + " " + written(metric.getValue()))
                .collect(Collectors.joining("  ", "step " + step + "  ", ""));
    }

    private static String written(double value) {
        boolean isWhole = value == Math.rint(value) && Math.abs(value) < 1L << 53;
        return isWhole ? Long.toString((long) value) : String.format(Locale.ROOT, "%.4g", value);
    }
}
