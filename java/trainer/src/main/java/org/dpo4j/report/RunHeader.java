package org.dpo4j.report;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Facts about a run, printed before it starts.
 *
 * @param facts text by name, such as device, dtype, model or rows, in the order in which they are printed
 */
public record RunHeader(Map<String, String> facts) {

    public RunHeader {
        facts = Collections.unmodifiableMap(new LinkedHashMap<>(facts));
    }

    /** One fact per line, with the texts aligned, also the further lines of a text. */
    @Override
    public String toString() {
        int width = facts.keySet().stream().mapToInt(String::length).max().orElse(0);
        return facts.entrySet().stream()
                .map(fact -> fact.getKey()
                        + " ".repeat(width + 2 - fact.getKey().length())
                        + fact.getValue().replace("\n", System.lineSeparator() + " ".repeat(width + 2)))
                .collect(Collectors.joining(System.lineSeparator()));
    }
}
