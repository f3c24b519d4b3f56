package org.dpo4j.train;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The value of an option that is a mapping, such as {@code lr_scheduler_kwargs}. On the command line it is a JSON object
 * or {@code a=1,b=2}; in a config file it is a mapping.
 *
 * @param values texts of the values by key, in the given order; a value may be null
 */
public record OptionMap(Map<String, @Nullable String> values) {
    /** Without keys. */
    public static final OptionMap EMPTY = new OptionMap(Map.of());

    public OptionMap {
        values = Collections.unmodifiableMap(new LinkedHashMap<>(values));
    }

    /** Parses a JSON object of texts, numbers, booleans and nulls, or {@code a=1,b=2}. Throws with the fault. */
    public static OptionMap parse(String text) {
        String stripped = text.strip();
        return new OptionMap(stripped.startsWith("{") ? fromJson(stripped) : fromPairs(stripped));
    }

    private static Map<String, @Nullable String> fromJson(String text) {
        Map<String, @Nullable String> values = new LinkedHashMap<>();
        JsonNode json;
        try {
            json = new ObjectMapper().readTree(text);
        } catch (JsonProcessingException e) {
            throw new Dpo4jException("not a JSON object", e);
        }
        for (Map.Entry<String, JsonNode> entry : json.properties()) {
            JsonNode value = entry.getValue();
            if (value.isContainerNode()) {
                throw new Dpo4jException("the value of " + entry.getKey() + " is not a single value");
            }
            values.put(entry.getKey(), value.isNull() ? null : value.asText());
        }
        return values;
    }

    private static Map<String, @Nullable String> fromPairs(String text) {
        Map<String, @Nullable String> values = new LinkedHashMap<>();
        for (String pair : text.split(",", -1)) {
            int equals = pair.indexOf('=');
            if (equals < 1) {
                throw new Dpo4jException("\"" + pair + "\" is not key=value");
            }
            String key = pair.substring(0, equals).strip();
            if (values.containsKey(key)) {
                throw new Dpo4jException(key + " is given twice");
            }
            String value = pair.substring(equals + 1).strip();
            values.put(key, value.equals("null") ? null : value);
        }
        return values;
    }

    public boolean isEmpty() {
        return values.isEmpty();
    }

    /** {@code a=1,b=2}, as on the command line. */
    @Override
    public String toString() {
        return values.entrySet().stream()
                .map(entry -> entry.getKey() + "=" + entry.getValue())
                .collect(Collectors.joining(","));
    }
}
