package org.dpo4j.bench.device;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.dpo4j.kernels.DType;

/**
 * Sizes and storage of a benchmark by name, as in its row of the results.
 *
 * @param parameters in the order in which they were named
 */
record Shape(Map<String, String> parameters) {

    Shape {
        parameters = Collections.unmodifiableMap(new LinkedHashMap<>(parameters));
    }

    /** From text: {@code "rows 8192, width 4096, dtype BF16"}. */
    static Shape of(String text) {
        Map<String, String> parameters = new LinkedHashMap<>();
        for (String pair : text.split(", ", -1)) {
            int space = pair.indexOf(' ');
            parameters.put(pair.substring(0, space), pair.substring(space + 1));
        }
        return new Shape(parameters);
    }

    /** The size of this name. */
    long at(String name) {
        return Long.parseLong(text(name));
    }

    int count(String name) {
        return Math.toIntExact(at(name));
    }

    int countOr(String name, int otherwise) {
        return parameters.containsKey(name) ? count(name) : otherwise;
    }

    boolean has(String name, String value) {
        return value.equals(parameters.get(name));
    }

    /** The dtype; F32 if none is named. */
    DType dtype() {
        return DType.valueOf(parameters.getOrDefault("dtype", "F32"));
    }

    /** Storage of logits. Every device supports every type for them. */
    DType logits() {
        return DType.valueOf(text("logits"));
    }

    String text(String name) {
        String value = parameters.get(name);
        if (value == null) {
            throw new IllegalArgumentException(name + " is no parameter of " + this);
        }
        return value;
    }

    @Override
    public String toString() {
        return parameters.toString().replace("=", " ").replaceAll("[{}]", "");
    }
}
