package org.dpo4j.model;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Weights of a model in a form that AssertJ compares. */
final class TestWeights {
    private TestWeights() {}

    /** By the names of the tensors. */
    static Map<String, List<Float>> byName(Model model) {
        Map<String, List<Float>> weights = new TreeMap<>();
        for (ParameterTensor tensor : model.parameters().tensors()) {
            List<Float> values = new ArrayList<>();
            for (float value : model.parameters().readWeights(tensor)) {
                values.add(value);
            }
            weights.put(tensor.name(), values);
        }
        return weights;
    }
}
