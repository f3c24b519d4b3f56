package org.dpo4j.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.stream.StreamSupport;

/**
 * Expected values from {@code tests/golden}, made by the scripts there. Numbers may be strings, because JSON readers
 * would lose digits.
 */
final class Golden {
    private Golden() {}

    static JsonNode read(String name) {
        try (InputStream stream = Golden.class.getResourceAsStream("/golden/" + name)) {
            if (stream == null) {
                throw new IllegalStateException("golden/" + name + " is not on the class path");
            }
            return new ObjectMapper().readTree(stream);
        } catch (IOException e) {
            throw new UncheckedIOException(name, e);
        }
    }

    static double number(JsonNode node) {
        return switch (node.asText()) {
            case "inf" -> Double.POSITIVE_INFINITY;
            case "-inf" -> Double.NEGATIVE_INFINITY;
            default -> Double.parseDouble(node.asText());
        };
    }

    static double[] numbers(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false)
                .mapToDouble(Golden::number)
                .toArray();
    }
}
