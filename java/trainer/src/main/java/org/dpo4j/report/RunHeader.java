package org.dpo4j.report;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * What a run is about to do: facts by name, in the order they are shown.
 *
 * @param facts such as device, dtype, model, rows
 */
public record RunHeader(Map<String, String> facts) {

    public RunHeader {
        facts = Collections.unmodifiableMap(new LinkedHashMap<>(facts));
    }

    /** One fact a line, names in a column of their own. */
    @Override
    public String toString() {
        int width = facts.keySet().stream().mapToInt(String::length).max().orElse(0);
        return facts.entrySet().stream()
                .map(fact ->
                        fact.getKey() + " ".repeat(width + 2 - fact.getKey().length()) + fact.getValue())
                .collect(Collectors.joining(System.lineSeparator()));
    }
}
