package org.dpo4j.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.dpo4j.kernels.Dpo4jException;

/**
 * Values of options to try, by name. On the command line {@code beta=0.05,0.1}, or with a JSON list if a value has a comma,
 * {@code loss_type=["sigmoid,sft","ipo"]}; in a config file a mapping from names to lists.
 *
 * @param axes at least one value each, in the given order, no value twice
 */
record SweepGrid(Map<String, List<String>> axes) {
    private static final JsonMapper JSON = new JsonMapper();

    /** Parses one option with its values, or a JSON object of several. Throws with the fault. */
    static SweepGrid parse(String text) {
        String stripped = text.strip();
        Map<String, List<String>> axes = new LinkedHashMap<>();
        if (stripped.startsWith("{")) {
            json(stripped).properties().forEach(entry -> add(axes, entry.getKey(), values(entry.getValue())));
        } else {
            int equals = stripped.indexOf('=');
            if (equals < 1) {
                throw new Dpo4jException("\"" + stripped + "\" is not OPTION=VALUE,VALUE");
            }
            String values = stripped.substring(equals + 1).strip();
            add(
                    axes,
                    stripped.substring(0, equals).strip(),
                    values.startsWith("[") ? values(json(values)) : List.of(values.split(",", -1)));
        }
        return new SweepGrid(axes);
    }

    /** All axes of several grids. Throws if two have the same option. */
    static SweepGrid merge(List<SweepGrid> grids) {
        Map<String, List<String>> axes = new LinkedHashMap<>();
        grids.forEach(grid -> grid.axes.forEach((name, values) -> add(axes, name, values)));
        return new SweepGrid(axes);
    }

    private static void add(Map<String, List<String>> axes, String written, List<String> given) {
        String name = written.replaceFirst("^-+", "").replace('-', '_');
        List<String> values = given.stream().map(String::strip).toList();
        if (values.isEmpty() || values.stream().anyMatch(String::isEmpty)) {
            throw new Dpo4jException(name + " has " + (values.isEmpty() ? "no values" : "an empty value"));
        }
        Set<Object> seen = new LinkedHashSet<>();
        for (String value : values) {
            if (!seen.add(comparable(value))) {
                throw new Dpo4jException(name + " has the value " + value + " twice");
            }
        }
        if (axes.put(name, values) != null) {
            throw new Dpo4jException(name + " is given twice");
        }
    }

    /** Equal for {@code 1e-6} and {@code 0.000001}. */
    private static Object comparable(String value) {
        try {
            return new BigDecimal(value).stripTrailingZeros();
        } catch (NumberFormatException e) {
            return value;
        }
    }

    private static JsonNode json(String text) {
        try {
            return JSON.readTree(text);
        } catch (JsonProcessingException e) {
            throw new Dpo4jException("\"" + text + "\" is not JSON", e);
        }
    }

    private static List<String> values(JsonNode json) {
        List<String> values = new ArrayList<>();
        (json.isArray() ? json : JSON.createArrayNode().add(json)).forEach(value -> {
            if (value.isContainerNode() || value.isNull()) {
                throw new Dpo4jException("the value " + value + " is not a single value");
            }
            values.add(value.asText());
        });
        return values;
    }

    /** All combinations of values; those of the last option change first. */
    List<Map<String, String>> points() {
        List<Map<String, String>> points = List.of(Map.of());
        for (Map.Entry<String, List<String>> axis : axes.entrySet()) {
            List<Map<String, String>> longer = new ArrayList<>();
            for (Map<String, String> point : points) {
                for (String value : axis.getValue()) {
                    Map<String, String> next = new LinkedHashMap<>(point);
                    next.put(axis.getKey(), value);
                    longer.add(next);
                }
            }
            points = longer;
        }
        return points;
    }
}
