package org.dpo4j.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.List;
import java.util.stream.StreamSupport;

/** Weights and gradients of tests/golden/optimizers.py, which computes them instead of storing them. */
final class GoldenGradients {
    static final int STEPS = 20;

    private GoldenGradients() {}

    static List<JsonNode> cases(String optimizer) {
        return StreamSupport.stream(Golden.read("optimizers.json").spliterator(), false)
                .filter(each -> each.get("optimizer").asText().equals(optimizer))
                .toList();
    }

    static double[] initial(int count) {
        double[] values = new double[count];
        Arrays.setAll(values, i -> (i * 37 % 65 - 32) / 64.0);
        return values;
    }

    /** The gradient of step {@code t}, from 0. Each number is a multiple of 2^-17. */
    static double[] gradient(JsonNode golden, int t) {
        double[] values = new double[golden.get("count").asInt()];
        long seed = golden.get("seed").asLong();
        for (int i = 0; i < values.length; i++) {
            long whole = (i * 7919L + t * 104729L + (long) i * t * 31 + seed * 15485863) % 2003 - 1001;
            values[i] = Math.scalb(whole / 1024.0, (int) -((i + seed) % 7));
        }
        return values;
    }

    static double option(JsonNode golden, String name, double absent) {
        return golden.get("options").path(name).asDouble(absent);
    }
}
